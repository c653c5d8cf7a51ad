/** Why a request is not let through, in the same words everywhere (RFC 9457 problem documents). */
import { type Duration, parseDuration } from "./duration.ts";
import { isSessionError } from "./errors.ts";
import { invalidOption, refuseUnknown } from "./options.ts";
import type { Session } from "./session.ts";

export interface Refusal {
  readonly status: 401 | 403 | 500 | 503;
  /** Stable, for programs. */
  readonly code:
    | "invalid_session"
    | "csrf"
    | "reauth_required"
    | "store_unavailable"
    | "internal_error";
  readonly title: string;
}

/** A refusal as an HTTP answer. */
export interface Problem {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const INVALID: Refusal = { status: 401, code: "invalid_session", title: "Invalid session" };
const FORGED: Refusal = { status: 403, code: "csrf", title: "Refused: from another site" };
const STALE: Refusal = { status: 403, code: "reauth_required", title: "Log in again first" };
const UNKNOWN: Refusal = {
  status: 503,
  code: "store_unavailable",
  title: "Sessions cannot be checked right now",
};
/** How long a client should wait before it tries a store again that could not answer. */
const RETRY_AFTER_SECONDS = 1;

/** Whether a request may go on: undefined, it may. */
export type Judge = (session: Session<unknown>) => Refusal | undefined;

export interface FreshOptions {
  /** How long ago the user may have logged in at most. */
  readonly maxAge: Duration;
}

/** What a request can be required to have. */
export const requires = {
  /** A user who is logged in. */
  session: (session: Session<unknown>): Refusal | undefined => {
    if (session.isForged) return FORGED;
    if (session.status === "unknown") return UNKNOWN;
    return session.user === undefined ? INVALID : undefined;
  },
  /** One who has logged in within `maxAge`. Throws `invalid-option` at once if that is none. */
  fresh: (options: FreshOptions): Judge => {
    const maxAge = options?.maxAge;
    parseDuration(maxAge, "maxAge");
    return (session) => requires.session(session) ?? (session.isFresh(maxAge) ? undefined : STALE);
  },
};

/**
 * The option `refuse` of a guard. Throws "invalid-option" for what are no options: mounted without being
 * called, a guard gets the request in their place, and would let everybody pass or nobody.
 */
export function refuseOf<T>(options: { readonly refuse?: T }): T | undefined {
  refuseUnknown(options, ["refuse", "maxAge"], "requireSession() and requireFresh()");
  return options.refuse;
}

/** The same for a guard without options. */
export function refuseArguments(given: readonly unknown[]): void {
  if (given.length > 0) throw invalidOption("requireSession", "takes nothing: requireSession()");
}

/** The handler's own fault, where it has no error handling of its own. */
export function internalError(): Refusal {
  return { status: 500, code: "internal_error", title: "Something went wrong here" };
}

/** What became of the changes that a handler left behind, where they could not be saved. */
export function refusalOfGone(): Refusal {
  return INVALID;
}

/** The refusal that says what went wrong; undefined if it is none of ours to say. */
export function refusalOfError(error: unknown): Refusal | undefined {
  if (!isSessionError(error)) return undefined;
  if (error.code === "store-unavailable") return UNKNOWN;
  return error.code === "csrf" ? FORGED : undefined;
}

/** `message` repeats `title` for clients that look for that name. */
export function problem({ status, code, title }: Refusal): Problem {
  return {
    status,
    headers: {
      "Content-Type": "application/problem+json",
      "Cache-Control": "no-store",
      ...(status === 401 ? { "WWW-Authenticate": "Session" } : {}),
      ...(status === 503 ? { "Retry-After": String(RETRY_AFTER_SECONDS) } : {}),
    },
    body: JSON.stringify({ title, status, code, message: title }),
  };
}
