/** Every key name of the Redis store, in one place. What each holds: docs/guide/how-it-works.md. */
import { invalidOption } from "../core/options.ts";
import { anchorOf, slotOf } from "./slots.ts";

export interface Keys {
  readonly prefix: string;
  /** The string that holds the username: the authority on whether the session lives. */
  session(sid: string): string;
  /** The hash beside it. Its braces hold the whole session key, so Redis puts both in one slot. */
  record(sid: string): string;
  /** The string that tells what a rotated id became. */
  next(sid: string): string;
  /** The sorted set sid → deadline of one user. */
  userSessions(user: string): string;
  /** What a revoke-all took out of that set, until it is cleared away. */
  userRevoked(user: string): string;
  /** The sorted set user → generation of the slot that `key` is in. */
  barrier(key: string): string;
}

export const DEFAULT_PREFIX = "session:";
export const PREFIX_MAX_LENGTH = 64;

/**
 * The key names under a prefix. The default gives `session:<sid>` and `{user:<name>}:sessions`. Any
 * other stands before the user keys too, so that two applications on one Redis share nothing.
 * Throws `invalid-option` for a prefix that would break slots or be a glob.
 */
export function keysFor(prefix: string): Keys {
  if (!/^[\w.:/-]+$/.test(prefix) || prefix.length > PREFIX_MAX_LENGTH) {
    throw invalidOption(
      "prefix",
      `must be 1 to ${PREFIX_MAX_LENGTH} of the characters A-Z a-z 0-9 _ . : / -` +
        " (a brace would change the hash slot of every key)",
    );
  }
  const barriers = new Map<number, string>();
  const barrierOf = (slot: number): string => {
    const known = barriers.get(slot) ?? `{${anchorOf(prefix, slot)}}:barrier`;
    barriers.set(slot, known);
    return known;
  };
  return {
    prefix,
    session: (sid) => prefix + sid,
    record: (sid) => `{${prefix}${sid}}:record`,
    next: (sid) => `{${prefix}${sid}}:next`,
    userSessions: (user) => userKey(prefix, user, "sessions"),
    userRevoked: (user) => userKey(prefix, user, "revoked"),
    barrier: (key) => barrierOf(slotOf(key)),
  };
}

/**
 * A key of one user, in the slot of all his others: `{user:<name>}:<what>`. For what an application
 * keeps of a user beside his sessions; "sessions" and "revoked" are taken.
 *
 * @param prefix of the store; any but the default stands before the name
 */
export function userKey(prefix: string, user: string, what: string): string {
  const namespace = prefix === DEFAULT_PREFIX ? "" : prefix;
  // encodeURIComponent also takes { } : and %, so a name can neither close the hash tag early nor
  // run into another key.
  return `{${namespace}user:${encodeURIComponent(user)}}:${what}`;
}
