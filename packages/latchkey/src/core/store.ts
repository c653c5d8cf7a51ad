/**
 * The port behind which sessions are kept. These comments are its contract; the suite in
 * `latchkey/testing` checks every line of it on any implementation.
 *
 * For all methods:
 * - Outcomes are values. A method rejects only with `SessionError` "store-unavailable", when the
 *   store could not say. The caller must then assume nothing: a write may or may not have happened.
 * - Each method is atomic: no other client sees it half done, and a crash leaves all or nothing.
 *   (`revokeUser` is atomic in what it ends; it clears away in steps.)
 * - There is no upsert. `create` alone brings a session to life, and only under a free id: one that
 *   neither has a session nor is remembered as rotated away.
 * - Dead stays dead. Once a session was revoked or ran out, no method brings it back or writes to
 *   it: they answer `gone`. Nor does the token from before a rotation ever open another session.
 * - A session goes on under its new id after a rotation. While the grace runs, the old id means the
 *   new one in every method; after it, in `revoke` alone: who ends a session must not miss it because
 *   it has just been rotated.
 * - Deadlines follow the store's own clock. A session is dead from its deadline on, exactly.
 */
import type { Fields, SessionRecord } from "./record.ts";
import type { SessionId } from "./token.ts";

/** How long sessions live: the policy of the manager, given with each call that needs it. */
export interface Life {
  /** A session ends this long after its last touch; undefined: use prolongs nothing. Whole ms. */
  readonly idleTimeoutMs: number | undefined;
  /** A session ends this long after its creation, whatever happens. Whole ms, above 0. */
  readonly absoluteTimeoutMs: number;
}

/** How many sessions one user may have, and who goes when there is one more. */
export interface Cap {
  readonly max: number;
  /** `reject`: the new one is refused. `evict-oldest`: those that end first are ended. */
  readonly policy: "reject" | "evict-oldest";
}

export interface NewSession {
  /** From `mintId` with the same user. */
  readonly sid: SessionId;
  /** Whose it is; undefined: anonymous, it enters no list. Already checked by `checkUser`. */
  readonly user: string | undefined;
  /** SHA-256 of the secret; undefined where the sid itself is the token. */
  readonly secretHash: string | undefined;
  readonly life: Life;
  /** Undefined: any number. Without meaning for an anonymous session. */
  readonly cap: Cap | undefined;
  /** From `generation`, read before the user's credentials were checked; undefined: not read. */
  readonly generation: number | undefined;
  /** What to keep of the device; undefined: nothing. */
  readonly device: string | undefined;
  /** Within `DATA_MAX_FIELDS` and `DATA_MAX_BYTES`; the caller has checked it. */
  readonly data: Fields;
}

export type CreateOutcome =
  | {
      readonly outcome: "created";
      readonly record: SessionRecord;
      /** Sessions of the user that were ended to keep the cap. */
      readonly evicted: readonly SessionId[];
      /** Sessions of the user that were found to have run out; each is told to one caller only. */
      readonly expired: readonly SessionId[];
    }
  /**
   * The id is taken, or was rotated away less than its grace and `ROTATED_MEMORY_MS` ago. Nothing was
   * changed: the session that has it, or had it, goes on.
   */
  | { readonly outcome: "exists" }
  /** The cap is reached, and its policy is `reject`. No session was changed. */
  | { readonly outcome: "limit"; readonly expired: readonly SessionId[] }
  /** All sessions of the user were revoked after `generation` was read. Nothing was changed. */
  | { readonly outcome: "stale" };

export type LoadOutcome =
  /** The session; or, while the grace of a rotated id runs, the session that it became. */
  | { readonly outcome: "found"; readonly record: SessionRecord }
  /** Unknown, revoked or past its deadline: the store does not tell which. */
  | { readonly outcome: "missing" }
  /** The id was rotated, and its grace is over. Told for `ROTATED_MEMORY_MS`, then "missing". */
  | {
      readonly outcome: "rotated";
      /** What the secret of this id hashed to; undefined: it had none. */
      readonly secretHash: string | undefined;
      /** How long the grace has been over. */
      readonly lateMs: number;
    }
  /** Something is there that no `create` wrote and that is no session. It is left as it is. */
  | { readonly outcome: "corrupt"; readonly reason: string };

/** What an update changes. A field in neither stays as it is, whatever others do; none is in both. */
export interface Change {
  readonly set: Fields;
  readonly unset: ReadonlySet<string>;
  /** Write only if the record still has this version; undefined: the last write wins per field. */
  readonly ifVersion: number | undefined;
}

export type UpdateOutcome =
  | { readonly outcome: "updated"; readonly version: number }
  /** It was so already: nothing was written, and the version is whatever it was. */
  | { readonly outcome: "unchanged"; readonly version: number }
  /** The record has another version. Nothing was changed. */
  | { readonly outcome: "conflict"; readonly version: number }
  /** There would be more than `DATA_MAX_FIELDS` fields or `DATA_MAX_BYTES`. Nothing was changed. */
  | { readonly outcome: "too-large" }
  /** The session is dead. Nothing was changed, nothing was created. */
  | { readonly outcome: "gone" };

/** Which session is used, and whose it is. */
export type Touched = Pick<SessionRecord, "sid" | "user">;

export type TouchOutcome =
  /** The idle deadline was moved; or it had been, less than the interval ago: then no write. */
  | { readonly outcome: "live"; readonly expiresAt: number; readonly remainingMs: number }
  | { readonly outcome: "gone" };

/** How a session gets a new token. */
export interface Rotation {
  /** The id in the token that the holder presents. */
  readonly sid: SessionId;
  readonly user: string | undefined;
  /** SHA-256 of the secret that the holder presents; undefined where the id is the token. */
  readonly secretHash: string | undefined;
  readonly next: {
    /**
     * The same id: only the secret changes, with a grace. Else a fresh one from `mintId` beside the
     * old. Without a grace always a fresh one, so that what is under way with the old id is gone.
     */
    readonly sid: SessionId;
    readonly secretHash: string | undefined;
    /** What the new secret was derived with, kept while the grace runs; undefined: by chance alone. */
    readonly seed: string | undefined;
  };
  /**
   * How long what the holder presented goes on to open the session. 0 is for when privilege rises, and
   * is never answered `repeated` or `kept`: whoever presents a token that still works, also one in its
   * grace, rotates, and the one between is dead.
   */
  readonly graceMs: number;
  /** The user has authenticated again: both clocks begin anew. Only with a new id. */
  readonly login: Reauthentication | undefined;
}

export interface Reauthentication {
  readonly life: Life;
  /** As in `NewSession`. */
  readonly generation: number | undefined;
  /** Undefined: as it was. */
  readonly device: string | undefined;
}

export type RotateOutcome =
  | {
      readonly outcome: "rotated";
      readonly expiresAt: number;
      readonly remainingMs: number;
      readonly absoluteExpiresAt: number;
    }
  /**
   * What the holder presents was rotated before, and its grace runs: it became this id, with the
   * secret that follows from this seed. Nothing was changed: a rotation whose answer was lost can be
   * asked for again.
   */
  | { readonly outcome: "repeated"; readonly sid: SessionId; readonly seed: string | undefined }
  /** The token is itself younger than its grace and stays: the one before it is still in use. */
  | { readonly outcome: "kept" }
  /** The new id was taken, or rotated away lately, as in `CreateOutcome`. Nothing was changed. */
  | { readonly outcome: "exists" }
  /** All sessions of the user were revoked after `login.generation` was read. */
  | { readonly outcome: "stale" }
  /**
   * The session is dead, or what the holder presents does not open it (any more). A new login ends
   * one that cannot go on where its user's sessions are, and says this.
   */
  | { readonly outcome: "gone" };

export interface Listing {
  readonly records: readonly SessionRecord[];
  /** Sessions that were found to have run out; each is told to one caller only. */
  readonly expired: readonly SessionId[];
}

/** How long a store remembers a rotated id after its grace, so that its reuse is noticed. */
export const ROTATED_MEMORY_MS = 3_600_000;

/**
 * The longest life that any session may have: 400 days, as long as a browser keeps any cookie (RFC
 * 6265bis §5.5). A revoke-all is remembered for as long.
 */
export const ABSOLUTE_TIMEOUT_MAX_MS: number = 400 * 86_400_000;

/** Limits on the data of one session, checked where it is written. */
export const DATA_MAX_FIELDS = 256;
/** Names and JSON texts of all fields together, in bytes of UTF-8. */
export const DATA_MAX_BYTES = 32_768;

export interface SessionStore {
  /**
   * A fresh id, 24 characters of base64url with at least 128 random bits; two calls never agree.
   * The store mints it because it may steer where the id will live by its user. Asks nobody.
   *
   * @param beside an id that is to be rotated into the new one
   */
  mintId(user?: string, beside?: SessionId): SessionId;

  /**
   * Begins a session, and lists it under its user in the same step. With a cap, the user never has
   * more than `max` live sessions, however many logins run at once.
   */
  create(session: NewSession): Promise<CreateOutcome>;

  /** The live session with this id. Changes nothing, prolongs nothing. */
  load(sid: SessionId): Promise<LoadOutcome>;

  /** Writes fields of a live session. Prolongs nothing. */
  update(sid: SessionId, change: Change): Promise<UpdateOutcome>;

  /**
   * Moves the idle deadline of a live session to `idleTimeoutMs` from now, but never past its
   * absolute end, never back, and at most once in `intervalMs` however many call.
   */
  touch(session: Touched, life: Life, intervalMs: number): Promise<TouchOutcome>;

  /**
   * Gives a live session a new token and keeps its data, at one moment: whatever happens, the old
   * token opens the session or the new one does. The session stays one: it counts once in a cap and
   * in a list, and a revoke of either id ends it. Prolongs nothing without `login`.
   */
  rotate(rotation: Rotation): Promise<RotateOutcome>;

  /**
   * Ends a session. Once this resolves, no method can bring it back, on any server. `absent`: it was
   * dead already, or belongs to somebody else than `owner`; then nothing was changed.
   *
   * @param owner end it only if it is this user's; decided in the same atomic step
   */
  revoke(sid: SessionId, owner?: string): Promise<"revoked" | "absent">;

  /**
   * Ends all sessions of a user that were created before this call, but for `except`: also those that
   * no list knows any more, and those of logins whose `generation` was read before. They are all
   * dead at one moment, before this resolves, and for good. The number of sessions that were cleared
   * away; of what could not be, each goes at its own deadline.
   */
  revokeUser(user: string, except?: SessionId): Promise<number>;

  /** A number that grows with each `revokeUser`; read it before checking a credential. */
  generation(user: string): Promise<number>;

  /**
   * The sessions of a user, the one that ends first coming first. Each that lived during the whole
   * call stands in it exactly once; none that was dead during the whole call does. What the list
   * finds dead it forgets. `data` is left out of the records: lists are long.
   */
  list(user: string): Promise<Listing>;

  /** Lets go of connections that the store opened itself. Sessions stay: other servers have them. */
  close(): Promise<void>;
}

/** A store with a memory in this process, such as a near cache. */
export interface CachingStore extends SessionStore {
  /**
   * What `remember` was given for this very token, if it still holds; undefined: ask by `load`. Asks
   * nobody and waits for nothing. The record is as `load` gave it but for `remainingMs`, which counts
   * on, and the hashes of secrets, which are left out.
   */
  recall(token: string): SessionRecord | undefined;

  /**
   * This token opens this record, as the last `load` of its id gave it. Kept until anything may have
   * changed. To be called before anything else is waited for.
   */
  remember(token: string, record: SessionRecord): void;
}

export function isCaching(store: SessionStore): store is CachingStore {
  return "recall" in store && "remember" in store;
}
