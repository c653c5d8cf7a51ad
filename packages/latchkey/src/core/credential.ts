/**
 * Which token a request presents. The first present of `x-session-id`, `Authorization: Bearer` and
 * the cookie decides alone: a bad one never falls back to the next, else whoever can add a cookie
 * could decide for a request that meant something else. A duplicate is refused, not chosen from.
 */
import { cookieValues } from "./cookie.ts";
import type { HttpExchange } from "./exchange.ts";

export type Transport = "header" | "bearer" | "cookie";

export type Credential =
  | { readonly kind: "none" }
  | { readonly kind: "token"; readonly token: string; readonly transport: Transport }
  /** Refused as a credential; a logout ends all that it names. */
  | {
      readonly kind: "duplicate";
      readonly tokens: readonly string[];
      readonly transport: Transport;
    };

const SESSION_HEADER = "x-session-id";
/**
 * Present with whatever follows the word, or comes before it where lines were joined: so a malformed one
 * is refused, not passed over.
 */
const BEARER = /(?:^|,\s*)bearer(?![\w-])/i;
const BEARER_PREFIX = /^bearer +/i;
/** More tokens than anyone has by mistake are not looked at. */
const DUPLICATES_MAX = 4;

/** The request headers that decide the answer, for `Vary`. */
export const CREDENTIAL_HEADERS: readonly string[] = ["Cookie", "Authorization", "X-Session-Id"];

export function readCredential(exchange: HttpExchange, cookieName: string): Credential {
  const header = exchange.headers(SESSION_HEADER);
  if (header.length > 0) return single(header, "header");
  const authorization = exchange.headers("authorization");
  if (authorization.length > 0 && authorization.some((value) => BEARER.test(value))) {
    return single(
      authorization.map((value) => value.replace(BEARER_PREFIX, "")),
      "bearer",
    );
  }
  const cookies = cookieValues(exchange.headers("cookie"), cookieName);
  return cookies.length > 0 ? single(cookies, "cookie") : { kind: "none" };
}

/** Every token that a request presents, in whatever way, each once: a logout means all of them. */
export function presentedTokens(exchange: HttpExchange, cookieName: string): readonly string[] {
  const bearers = exchange.headers("authorization").filter((value) => BEARER.test(value));
  const tokens = new Set([
    ...exchange.headers(SESSION_HEADER),
    ...bearers.map((value) => value.replace(BEARER_PREFIX, "")),
    ...cookieValues(exchange.headers("cookie"), cookieName),
  ]);
  return [...tokens];
}

function single(values: readonly string[], transport: Transport): Credential {
  const [token = "", ...others] = values;
  if (others.length === 0) return { kind: "token", token, transport };
  return { kind: "duplicate", tokens: values.slice(0, DUPLICATES_MAX), transport };
}
