/**
 * Cross-site request forgery: a page of another origin makes a browser send a request with the user's
 * cookie. Browsers say where a request comes from, in `Sec-Fetch-Site` and in `Origin`, and no page
 * can change either (https://www.w3.org/TR/fetch-metadata/, RFC 6454 §7). The check looks at nothing
 * else, so it holds for every content type. Who sends neither header is no browser of the last years,
 * and carries no cookie that its user did not give it.
 */
import { SessionError } from "./errors.ts";
import type { HttpExchange } from "./exchange.ts";
import { invalidOption } from "./options.ts";

export interface OriginRules {
  /** Undefined: nothing is checked. */
  readonly trusted: ReadonlySet<string> | undefined;
  /** The cookie is Secure, so our pages are https; on localhost they need not be. */
  readonly isSecure: boolean;
}

/** Methods that must change nothing (RFC 9110 §9.2.1). A link leads here from everywhere. */
const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
/** Where browsers take Secure cookies over plain http. */
const LOOPBACK = /^(localhost|[\w.-]+\.localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;

/** Throws `invalid-option` for what is no origin: a path or a wildcard would match nothing. */
export function checkOrigins(origins: readonly string[]): ReadonlySet<string> {
  if (!Array.isArray(origins)) throw invalidOption("trustedOrigins", "must be a list of origins");
  for (const origin of origins) {
    if (parseUrl(String(origin))?.origin === origin && /^https?:[^*]+$/.test(origin)) continue;
    throw invalidOption(
      "trustedOrigins",
      'must be origins such as "https://login.example.com": scheme, host and port, nothing after',
    );
  }
  return new Set(origins);
}

/** Whether a page of another origin may have made a browser send this request. */
export function isForged(exchange: HttpExchange, { trusted, isSecure }: OriginRules): boolean {
  if (trusted === undefined) return false;
  if (SAFE_METHODS.has(exchange.method) && !isUpgrade(exchange)) return false;
  const sites = exchange.headers("sec-fetch-site");
  const origins = exchange.headers("origin");
  const [site, origin] = [sites.join(), origins.join()];
  if (sites.length > 0) {
    // "none": the user typed the address or used a bookmark; "same-site" is a sibling host.
    return site !== "same-origin" && site !== "none" && !trusted.has(origin);
  }
  return origins.length > 0 && !trusted.has(origin) && !isOwn(origin, exchange, isSecure);
}

/** A WebSocket begins with a GET, and what it answers the page can read; browsers let any page open one. */
function isUpgrade(exchange: HttpExchange): boolean {
  return exchange.headers("upgrade").length > 0;
}

/** The error of whatever a forged request must not do. */
export function forged(): SessionError {
  return new SessionError("csrf", "a page of another origin may have sent this request");
}

/** Whether `origin` is that of our own pages: this host and port, by the scheme that we expect. */
function isOwn(origin: string, exchange: HttpExchange, isSecure: boolean): boolean {
  const page = parseUrl(origin);
  const hosts = exchange.headers("host");
  // "null" is a sandboxed frame, a file or a redirect from elsewhere; it is no URL.
  if (page?.origin !== origin || hosts.length !== 1) return false;
  if (page.protocol !== "https:" && isSecure && !isLoopback(page.host)) return false;
  // Not the scheme of this hop: a proxy may have spoken TLS with the browser.
  return parseUrl(`${page.protocol}//${hosts[0]}`)?.origin === origin;
}

/** @param host as in a `Host` header */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}

function parseUrl(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}
