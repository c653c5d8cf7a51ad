/**
 * What a session adds to the head of a response: its cookie line, `Cache-Control: no-store`, and the
 * request headers that decided in `Vary`. It is put in when the head is about to leave, merged with
 * what the handler has put there; a cookie line at once as well, and all of it where no adapter looks
 * after the head.
 */
import { type CookieSettings, isLineOf } from "./cookie.ts";
import { CREDENTIAL_HEADERS } from "./credential.ts";
import { isLoopback } from "./csrf.ts";
import { SessionError } from "./errors.ts";
import type { HttpExchange } from "./exchange.ts";
import type { Warn } from "./warning.ts";

/** What `no-store` leaves of other directives: those that do not let a cache keep the response. */
const KEPT_DIRECTIVES: ReadonlySet<string> = new Set([
  ...["private", "no-cache", "must-revalidate", "proxy-revalidate", "no-transform"],
]);

/** What a response has that says nothing itself. */
const OWN = { cacheControl: ["no-store"], vary: [CREDENTIAL_HEADERS.join(", ")] } as const;

export class Head {
  readonly exchange: HttpExchange;
  readonly #cookie: CookieSettings;
  readonly #warn: Warn;
  /** The last line that the session gave out; undefined: it has changed nothing. */
  #line: string | undefined;
  #isSealed = false;

  constructor(exchange: HttpExchange, cookie: CookieSettings, warn: Warn) {
    this.exchange = exchange;
    this.#cookie = cookie;
    this.#warn = warn;
  }

  /** Whether a cookie can still be set. */
  get isOpen(): boolean {
    return !this.#isSealed;
  }

  /** Throws "response-sent" if a cookie would come too late; before anything is done for it. */
  checkOpen(): void {
    if (!this.#isSealed) return;
    throw new SessionError("response-sent", "the response has begun: too late for a cookie");
  }

  /** The one `Set-Cookie` line of the session: the last one decides. Other cookies stay. */
  setCookie(line: string): void {
    this.checkOpen();
    this.#line = line;
    this.#merge();
    this.#warnIfLost();
  }

  /** Without an adapter, nobody says when the head leaves. */
  put(): void {
    this.#merge();
  }

  /** The head has left without us. */
  close(): void {
    this.#isSealed = true;
  }

  /** The head is about to leave. */
  seal(): void {
    if (this.#isSealed) return;
    this.#merge();
    this.#isSealed = true;
  }

  #merge(): void {
    const { exchange } = this;
    // Most often there is nothing yet, or what we have put there.
    const cache = exchange.responseHeader("cache-control");
    if (!isOwn(cache, OWN.cacheControl)) {
      exchange.setResponseHeader("Cache-Control", withNoStore(cache));
    }
    const vary = exchange.responseHeader("vary");
    if (!isOwn(vary, OWN.vary)) exchange.setResponseHeader("Vary", withVary(vary));
    if (this.#line === undefined) return;
    const others = exchange
      .responseHeader("set-cookie")
      .filter((line) => !isLineOf(this.#cookie, line));
    exchange.setResponseHeader("Set-Cookie", [...others, this.#line]);
  }

  #warnIfLost(): void {
    if (!this.#cookie.secure || !isPlain(this.exchange)) return;
    this.#warn({
      code: "secure-cookie-on-http",
      message:
        `the session cookie is Secure, and this request came over plain http: browsers will not ` +
        `keep it. Serve https (a proxy says so with X-Forwarded-Proto), or for development set ` +
        `cookie: { name: "sid", secure: false }`,
    });
  }
}

/** Plain http to another machine, and no sign of a proxy or browser that it was https before. */
function isPlain(exchange: HttpExchange): boolean {
  if (exchange.scheme === "https") return false;
  // Only a warning hangs on these, so nobody gains by forging them.
  const says = (name: string, sign: RegExp): boolean => sign.test(exchange.headers(name).join());
  return !(
    exchange.headers("host").every(isLoopback) ||
    says("x-forwarded-proto", /^https\b/i) ||
    says("forwarded", /\bproto="?https\b/i) ||
    // Browsers send it only where they take Secure cookies, too.
    exchange.headers("sec-fetch-site").length > 0
  );
}

function isOwn(lines: readonly string[], own: readonly string[]): boolean {
  return lines.length === 1 && lines[0] === own[0];
}

function withNoStore(lines: readonly string[]): readonly string[] {
  if (lines.length === 0) return OWN.cacheControl;
  const kept = listed(lines).filter((directive) => KEPT_DIRECTIVES.has(directive.toLowerCase()));
  return [["no-store", ...kept].join(", ")];
}

function withVary(lines: readonly string[]): readonly string[] {
  if (lines.length === 0) return OWN.vary;
  const names = listed(lines);
  if (names.includes("*")) return ["*"];
  const known = new Set(names.map((name) => name.toLowerCase()));
  const missing = CREDENTIAL_HEADERS.filter((name) => !known.has(name.toLowerCase()));
  return [[...names, ...missing].join(", ")];
}

function listed(lines: readonly string[]): readonly string[] {
  return lines
    .join(",")
    .split(",")
    .map((item) => item.trim())
    .filter(Boolean);
}
