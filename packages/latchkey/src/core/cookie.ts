/** The session cookie: its settings, reading `Cookie`, writing `Set-Cookie` (RFC 6265bis). */
import { type Duration, parseDuration } from "./duration.ts";
import { invalidOption, refuseUnknown } from "./options.ts";

/**
 * Always HttpOnly, always for the whole host. A name such as `__Host-sid`, which promises that the
 * cookie is Secure, goes with a Secure cookie only: browsers drop it otherwise.
 */
export type CookieOptions = SecureCookieOptions | PlainCookieOptions;

interface SecureCookieOptions {
  /** Default `__Host-sid`. Browsers keep a `__Host-` cookie only if it is Secure. */
  readonly name?: string;
  /** Default true. False is for plain http on loopback only. */
  readonly secure?: true;
  /**
   * Default "Lax": sent when a link leads here, not with a cross-site POST. "None" is for pages in
   * frames of other sites, best with `partitioned`.
   */
  readonly sameSite?: "Lax" | "Strict" | "None";
  /** Default false. In a frame of another site: a cookie of its own for each site around it (CHIPS). */
  readonly partitioned?: boolean;
  /**
   * How long browsers keep it, counted from the login. Default: until the browser ends. The session
   * ends by its own timeouts, whatever a browser keeps.
   */
  readonly maxAge?: Duration;
}

interface PlainCookieOptions {
  readonly name: PlainName;
  readonly secure: false;
  readonly sameSite?: "Lax" | "Strict";
  readonly partitioned?: false;
  readonly maxAge?: Duration;
}

/** Begins with a letter, so it is no `__Host-` and no `__Secure-`. */
type PlainName = `${Letter | Uppercase<Letter>}${string}`;
type Letter =
  | "a"
  | "b"
  | "c"
  | "d"
  | "e"
  | "f"
  | "g"
  | "h"
  | "i"
  | "j"
  | "k"
  | "l"
  | "m"
  | "n"
  | "o"
  | "p"
  | "q"
  | "r"
  | "s"
  | "t"
  | "u"
  | "v"
  | "w"
  | "x"
  | "y"
  | "z";

/** Checked and complete. */
export interface CookieSettings {
  readonly name: string;
  readonly secure: boolean;
  readonly sameSite: "Lax" | "Strict" | "None";
  readonly partitioned: boolean;
  /** Undefined: until the browser ends. */
  readonly maxAgeSeconds: number | undefined;
}

const DEFAULTS = {
  name: "__Host-sid",
  secure: true,
  sameSite: "Lax",
  partitioned: false,
  maxAge: undefined,
} as const;
const NONE: readonly string[] = [];
/** A cookie's name is a token of RFC 9110 §5.6.2. */
const COOKIE_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}$/;
const SAME_SITE: readonly unknown[] = ["Lax", "Strict", "None"];
/** 400 days, as long as a browser keeps any cookie (RFC 6265bis §5.5). */
const MAX_AGE_LIMIT_MS = 400 * 86_400_000;
const SECOND_MS = 1_000;

export function checkCookie(options: CookieOptions = {}): CookieSettings {
  if (typeof options !== "object" || options === null) {
    throw invalidOption("cookie", 'must be an object such as { name: "sid" }');
  }
  refuseUnknown(options, Object.keys(DEFAULTS), "the cookie", "cookie.");
  const name = options.name ?? DEFAULTS.name;
  const secure = options.secure ?? DEFAULTS.secure;
  const sameSite: CookieSettings["sameSite"] = options.sameSite ?? DEFAULTS.sameSite;
  const partitioned = options.partitioned ?? DEFAULTS.partitioned;
  const check = (isGood: boolean, field: string, rule: string): void => {
    if (!isGood) throw invalidOption(`cookie.${field}`, rule);
  };
  check(
    typeof name === "string" && COOKIE_NAME.test(name),
    "name",
    "must be 1 to 64 characters of an HTTP token",
  );
  check(typeof secure === "boolean", "secure", "must be true or false");
  check(
    secure || !/^__(Host|Secure)-/i.test(name),
    "secure",
    `must be true: browsers drop a ${name} without it`,
  );
  check(SAME_SITE.includes(sameSite), "sameSite", 'must be "Lax", "Strict" or "None"');
  check(secure || sameSite !== "None", "sameSite", 'may be "None" only if the cookie is secure');
  check(typeof partitioned === "boolean", "partitioned", "must be true or false");
  check(secure || !partitioned, "partitioned", "needs a cookie that is secure");
  return { name, secure, sameSite, partitioned, maxAgeSeconds: maxAgeOf(options.maxAge) };
}

function maxAgeOf(maxAge: Duration | undefined): number | undefined {
  if (maxAge === undefined) return undefined;
  const ms = parseDuration(maxAge, "cookie.maxAge");
  if (ms >= SECOND_MS && ms <= MAX_AGE_LIMIT_MS) return Math.floor(ms / SECOND_MS);
  throw invalidOption("cookie.maxAge", "must be from 1s to 400d");
}

/**
 * Every value of the cookie `name` in the `Cookie` headers of a request. Two values are for the
 * caller to refuse: one of them was planted from a sibling host or path.
 *
 * Splits at `;`, trims space and tab only, cuts at the first `=`, compares the name exactly. Nothing
 * is unquoted or percent-decoded: a browser does neither, so whatever needs it was not set by us.
 */
export function cookieValues(headers: readonly string[], name: string): readonly string[] {
  let values: string[] | undefined;
  for (const header of headers) {
    // By the name, not pair by pair: pages send dozens of other cookies.
    for (let at = header.indexOf(name); at >= 0; at = header.indexOf(name, at + 1)) {
      const equals = skipBlanks(header, at + name.length);
      if (header[equals] !== "=" || !beginsPair(header, at)) continue;
      const semicolon = header.indexOf(";", equals);
      const end = semicolon < 0 ? header.length : semicolon;
      const value = trimBlanks(header, equals + 1, end);
      // To push onto an empty one would make room for seventeen.
      if (values === undefined) values = [value];
      else values.push(value);
    }
  }
  return values ?? NONE;
}

/** Whether nothing but blanks stands between the last `;`, or the beginning, and this place. */
function beginsPair(header: string, at: number): boolean {
  let before = at - 1;
  while (isBlank(header, before)) before--;
  return before < 0 || header[before] === ";";
}

/** The `Set-Cookie` line that hands out `token`. */
export function setCookieLine(settings: CookieSettings, token: string): string {
  const { name, maxAgeSeconds } = settings;
  const maxAge = maxAgeSeconds === undefined ? "" : `; Max-Age=${maxAgeSeconds}`;
  return `${name}=${token}${maxAge}${attributes(settings)}`;
}

/** The line that makes a browser forget the cookie: the same attributes, or it would keep it. */
export function clearCookieLine(settings: CookieSettings): string {
  return `${settings.name}=; Max-Age=0${attributes(settings)}`;
}

/** Whether a `Set-Cookie` line is about the session cookie. */
export function isLineOf({ name }: CookieSettings, line: string): boolean {
  return line.startsWith(`${name}=`);
}

function attributes({ secure, sameSite, partitioned }: CookieSettings): string {
  const isSecure = secure ? "; Secure" : "";
  const ofItsOwn = partitioned ? "; Partitioned" : "";
  return `; Path=/${isSecure}; HttpOnly; SameSite=${sameSite}${ofItsOwn}`;
}

/** Without the spaces and tabs at both ends. By index: a regular expression would be quadratic. */
function trimBlanks(text: string, start: number, end: number): string {
  const from = skipBlanks(text, start);
  let to = end;
  while (to > from && isBlank(text, to - 1)) to--;
  return from < to ? text.slice(from, to) : "";
}

function skipBlanks(text: string, start: number): number {
  let at = start;
  while (isBlank(text, at)) at++;
  return at;
}

/** Space or tab. String.trim() would also take U+00A0 and so let " name" pass for "name". */
function isBlank(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === 0x20 || code === 0x09;
}
