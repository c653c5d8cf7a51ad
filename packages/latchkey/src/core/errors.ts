/** The one error class of the library. Match on `code`: it is stable; `message` is for people. */

export type SessionErrorCode =
  /** The store could not say: no answer in time, no connection, or an error of the server. */
  | "store-unavailable"
  /** An option of `createSessions` or of a store is unusable; `field` names it. */
  | "invalid-option"
  /** A username that cannot be kept; `field` is "user". */
  | "invalid-user"
  /** Something that is no session id where one belongs, such as a whole token; `field` names it. */
  | "invalid-sid"
  /** A value that JSON cannot keep, or that the schema refuses; `field` is its path. */
  | "invalid-data"
  /** The user has as many sessions as allowed, and the policy is to reject. */
  | "session-limit"
  /** All sessions of the user were revoked while the credential was being checked. */
  | "stale-credential"
  /** A page of another origin may have made a browser send this request. */
  | "csrf"
  /** The session was opened `readOnly`. */
  | "read-only"
  /** The head of the response has left: too late for a cookie. Nothing was changed. */
  | "response-sent"
  /** Three fresh ids in a row were taken: the source of randomness is broken. */
  | "id-collision";

const BRAND = Symbol.for("latchkey.SessionError");

/** No message carries a token, a secret or a whole session id. */
export class SessionError extends Error {
  override readonly name = "SessionError";
  readonly code: SessionErrorCode;
  /** The option or argument at fault, where there is one. */
  readonly field: string | undefined;
  /** The HTTP status that fits, as Express and others read it from an error. */
  readonly status: 400 | 401 | 403 | 409 | 500 | 503;

  constructor(
    code: SessionErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly field?: string } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.field = options.field;
    this.status = statusOf(code);
    Object.defineProperty(this, BRAND, { value: true });
  }
}

/** The error of whoever needs an answer that the store could not give. */
export function cannotSay(cause: unknown): SessionError {
  return new SessionError("store-unavailable", "the store could not say whose session it is", {
    cause,
  });
}

/** Also true for an error from a second copy of this package in the same process. */
export function isSessionError(error: unknown): error is SessionError {
  return typeof error === "object" && error !== null && BRAND in error;
}

function statusOf(code: SessionErrorCode): SessionError["status"] {
  switch (code) {
    case "store-unavailable":
      return 503;
    case "invalid-user":
    case "invalid-data":
    case "invalid-sid":
      return 400;
    case "session-limit":
      return 409;
    case "stale-credential":
      return 401;
    case "csrf":
      return 403;
    case "invalid-option":
    case "id-collision":
    case "read-only":
    case "response-sent":
      return 500;
  }
}
