/** The session cookie: its settings, reading `Cookie`, writing `Set-Cookie` (RFC 6265bis). */
import { invalidOption, refuseUnknown } from "./options.ts";

export interface CookieOptions {
  /** Default `__Host-sid`. Browsers keep a `__Host-` cookie only if it is Secure. */
  readonly name?: string;
  /** Default true. False is for plain http on loopback only. */
  readonly secure?: boolean;
  /** Default "Lax": sent when a link leads here, not with a cross-site POST. */
  readonly sameSite?: "Lax" | "Strict";
}

/** Checked and complete. Always HttpOnly, always for the whole host. */
export type CookieSettings = Required<CookieOptions>;

const DEFAULTS = { name: "__Host-sid", secure: true, sameSite: "Lax" } as const;
/** A cookie's name is a token of RFC 9110 §5.6.2. */
const COOKIE_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}$/;

export function checkCookie(options: CookieOptions = {}): CookieSettings {
  refuseUnknown(options, Object.keys(DEFAULTS), "the cookie", "cookie.");
  const settings = {
    name: options.name ?? DEFAULTS.name,
    secure: options.secure ?? DEFAULTS.secure,
    sameSite: options.sameSite ?? DEFAULTS.sameSite,
  };
  if (!COOKIE_NAME.test(settings.name)) {
    throw invalidOption("cookie.name", "must be 1 to 64 characters of an HTTP token");
  }
  if (/^__(Host|Secure)-/i.test(settings.name) && !settings.secure) {
    throw invalidOption(
      "cookie.secure",
      `must be true: browsers drop a ${settings.name} without it`,
    );
  }
  if (settings.sameSite !== "Lax" && settings.sameSite !== "Strict") {
    throw invalidOption("cookie.sameSite", 'must be "Lax" or "Strict"');
  }
  return settings;
}

/**
 * Every value of the cookie `name` in the `Cookie` headers of a request. Two values are for the
 * caller to refuse: one of them was planted from a sibling host or path.
 *
 * Splits at `;`, trims space and tab only, cuts at the first `=`, compares the name exactly. Nothing
 * is unquoted or percent-decoded: a browser does neither, so whatever needs it was not set by us.
 */
export function cookieValues(headers: readonly string[], name: string): readonly string[] {
  const values: string[] = [];
  for (const pair of headers.join(";").split(";")) {
    const cut = pair.indexOf("=");
    // String.trim() would also take U+00A0 and so let " name" pass for "name".
    if (cut >= 0 && trimBlanks(pair.slice(0, cut)) === name) {
      values.push(trimBlanks(pair.slice(cut + 1)));
    }
  }
  return values;
}

/** The `Set-Cookie` line that hands out `token`; without Max-Age it ends with the browser. */
export function setCookieLine(settings: CookieSettings, token: string): string {
  return `${settings.name}=${token}${attributes(settings)}`;
}

/** The line that makes a browser forget the cookie: the same attributes, or it would keep it. */
export function clearCookieLine(settings: CookieSettings): string {
  return `${settings.name}=; Max-Age=0${attributes(settings)}`;
}

function attributes({ secure, sameSite }: CookieSettings): string {
  return `; Path=/${secure ? "; Secure" : ""}; HttpOnly; SameSite=${sameSite}`;
}

/** Without the spaces and tabs at both ends. By index: a regular expression would be quadratic. */
function trimBlanks(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isBlank(text, from)) from++;
  while (to > from && isBlank(text, to - 1)) to--;
  return text.slice(from, to);
}

function isBlank(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === 0x20 || code === 0x09;
}
