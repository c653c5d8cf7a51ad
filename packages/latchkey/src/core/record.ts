/** What a store keeps of a session, and the rule for the name of its user. */
import { SessionError } from "./errors.ts";
import type { SessionId } from "./token.ts";

/**
 * The data of a session: one JSON text per field. A field is what a write replaces as a whole, so
 * two requests that set different fields both win.
 */
export type Fields = ReadonlyMap<string, string>;

/** A session that was live when the store answered. Instants are epoch ms by the store's clock. */
export interface SessionRecord {
  readonly sid: SessionId;
  /** Undefined: an anonymous session. */
  readonly user: string | undefined;
  /** SHA-256 of the secret (`hashSecret`). Undefined where the sid itself is the token. */
  readonly secretHash: string | undefined;
  /** Undefined where the store kept no creation time (made by hand, or literal without data). */
  readonly createdAt: number | undefined;
  /** When the user last proved who it is: at the login, or later. Undefined as `createdAt`. */
  readonly authTime: number | undefined;
  /** Last use, as precise as the touch interval. Undefined where use moves nothing. */
  readonly lastSeenAt: number | undefined;
  /** The end that no use can move. Undefined where the store kept none: then `expiresAt` is it. */
  readonly absoluteExpiresAt: number | undefined;
  /** When it ends if nothing else happens. */
  readonly expiresAt: number;
  /** Milliseconds to `expiresAt` when the store answered: counts without comparing two clocks. */
  readonly remainingMs: number;
  /** Grows by one with each update; 0 before the first. */
  readonly version: number;
  /** What the login said of the device; undefined if nothing. */
  readonly device: string | undefined;
  readonly data: Fields;
  /** What opened the session before its last rotation, or before the id that was asked for. */
  readonly previous: PreviousToken | undefined;
}

/** `record` but for `changes`: field by field, since a record may be more than what stands in it. */
export function recordWith(record: SessionRecord, changes?: Partial<SessionRecord>): SessionRecord {
  // A literal, name by name: V8 takes twenty times as long for spreads of several objects.
  const copy: SessionRecord = {
    sid: record.sid,
    user: record.user,
    secretHash: record.secretHash,
    createdAt: record.createdAt,
    authTime: record.authTime,
    lastSeenAt: record.lastSeenAt,
    absoluteExpiresAt: record.absoluteExpiresAt,
    expiresAt: record.expiresAt,
    remainingMs: record.remainingMs,
    version: record.version,
    device: record.device,
    data: record.data,
    previous: record.previous,
  };
  return changes === undefined ? copy : Object.assign(copy, changes);
}

export interface PreviousToken {
  /** SHA-256 of the secret; undefined where the id was the token. */
  readonly secretHash: string | undefined;
  /** How long it still opens the session; not above 0: so long ago it ceased to. */
  readonly graceMs: number;
}

/** The longest username, in bytes of UTF-8: 64 characters of four bytes each. */
export const USER_MAX_BYTES = 256;

/**
 * Returns `user` as it is. Throws `invalid-user` if it is no string, empty, longer than
 * `USER_MAX_BYTES`, or has half of a surrogate pair, which no UTF-8 store could give back, or U+FFFD,
 * which is what bytes that are no text come back as.
 */
export function checkUser(user: unknown): string {
  if (typeof user !== "string") throw invalidUser("must be a string");
  if (user === "") throw invalidUser("must not be empty");
  if (/[\p{Surrogate}\uFFFD]/u.test(user)) throw invalidUser("must be well-formed Unicode");
  if (new TextEncoder().encode(user).length > USER_MAX_BYTES) {
    throw invalidUser(`must be at most ${USER_MAX_BYTES} bytes of UTF-8`);
  }
  return user;
}

function invalidUser(rule: string): SessionError {
  return new SessionError("invalid-user", `user ${rule}`, { field: "user" });
}
