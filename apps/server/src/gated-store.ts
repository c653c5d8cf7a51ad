/**
 * The store behind a gate: until Redis is there and has been checked, and from the moment on when its
 * keyspace turns out to be somebody else's, every verb is "store-unavailable", which is a 503. The gate
 * stands before the near cache too: what this process remembers is no answer then.
 */
import {
  type CachingStore,
  type Change,
  type CreateOutcome,
  type Life,
  type Listing,
  type LoadOutcome,
  type NewSession,
  type RotateOutcome,
  type Rotation,
  SessionError,
  type SessionId,
  type SessionRecord,
  type SessionStore,
  type Touched,
  type TouchOutcome,
  type UpdateOutcome,
} from "latchkey";

export class GatedStore implements CachingStore {
  #store: SessionStore | CachingStore | undefined;
  #reason: string;

  /** Shut. @param reason for the log, why */
  constructor(reason: string) {
    this.#reason = reason;
  }

  /** From now on this store answers. Closing it stays with who opened it. */
  open(store: SessionStore | CachingStore): void {
    this.#store = store;
  }

  shut(reason: string): void {
    this.#store = undefined;
    this.#reason = reason;
  }

  /** Throws "store-unavailable" while it is shut. */
  check(): void {
    this.#open();
  }

  mintId(user?: string, beside?: SessionId): SessionId {
    return this.#open().mintId(user, beside);
  }

  async create(session: NewSession): Promise<CreateOutcome> {
    return this.#open().create(session);
  }

  async load(sid: SessionId): Promise<LoadOutcome> {
    return this.#open().load(sid);
  }

  async update(sid: SessionId, change: Change): Promise<UpdateOutcome> {
    return this.#open().update(sid, change);
  }

  async touch(session: Touched, life: Life, intervalMs: number): Promise<TouchOutcome> {
    return this.#open().touch(session, life, intervalMs);
  }

  async rotate(rotation: Rotation): Promise<RotateOutcome> {
    return this.#open().rotate(rotation);
  }

  async revoke(sid: SessionId, owner?: string): Promise<"revoked" | "absent"> {
    return this.#open().revoke(sid, owner);
  }

  async revokeUser(user: string, except?: SessionId): Promise<number> {
    return this.#open().revokeUser(user, except);
  }

  async generation(user: string): Promise<number> {
    return this.#open().generation(user);
  }

  async list(user: string): Promise<Listing> {
    return this.#open().list(user);
  }

  /** Only a store with a memory remembers: see `CachingStore`. */
  recall(token: string): SessionRecord | undefined {
    const store = this.#store;
    return store !== undefined && "recall" in store ? store.recall(token) : undefined;
  }

  remember(token: string, record: SessionRecord): void {
    const store = this.#store;
    if (store !== undefined && "remember" in store) store.remember(token, record);
  }

  async close(): Promise<void> {}

  #open(): SessionStore | CachingStore {
    if (this.#store !== undefined) return this.#store;
    throw new SessionError("store-unavailable", this.#reason);
  }
}
