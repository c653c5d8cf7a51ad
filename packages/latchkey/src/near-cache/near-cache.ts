/**
 * Sessions in the memory of this process, in front of a store that says what changes.
 *
 * A hit asks nobody: the whole token → entry → is its part live, its epoch the same, its deadline to
 * come? Three numbers are compared. The secret was compared in constant time when the entry was made;
 * from then on the token is found as a whole, by its hash, so no comparison ends early at a secret.
 *
 * How an entry cannot outlive a change, whatever the order on two connections:
 *
 *     load:        note the epoch ──▶ read ──────────────▶ remember, if nobody crossed the note out
 *     the feed:            a change ──▶ cross the note out, drop the entry
 *
 * A change before the read is in what was read. One after it is pushed after it: either it crosses
 * out the note, or it finds the entry and drops it. Without notes, 5 of 368 entries of a stress test
 * stayed stale for ever. What the feed misses moves the epoch, which no entry from before survives.
 *
 * The deadline is ours to check: Redis reports expiry when it comes across the key, minutes late. It
 * counts from when the read was *sent*, by the monotonic clock, so it never ends too late, and it
 * never says 401: past it we ask the store.
 */
import { monotonicMs, systemClock } from "../core/clock.ts";
import type { FeedStats, InvalidationFeed, ObservableStore } from "../core/feed.ts";
import { invalidOption, refuseUnknown } from "../core/options.ts";
import type { SessionRecord } from "../core/record.ts";
import type {
  CachingStore,
  Change,
  CreateOutcome,
  Life,
  Listing,
  LoadOutcome,
  NewSession,
  RotateOutcome,
  Rotation,
  SessionStore,
  Touched,
  TouchOutcome,
  UpdateOutcome,
} from "../core/store.ts";
import { type SessionId, SID_LENGTH } from "../core/token.ts";
import { type CacheClock, Entry } from "./entry.ts";

export interface NearCacheOptions {
  /** Tells what changes. Default: the store's own, as `redisStore` has one. */
  readonly feed?: InvalidationFeed;
  /** Sessions kept at most; the least used make room. Default 10,000, some 4 MB. */
  readonly maxEntries?: number;
  /** Monotonic ms. Default: the process's. */
  readonly now?: () => number;
}

export interface NearCacheStats extends FeedStats {
  readonly hits: number;
  readonly misses: number;
  readonly entries: number;
}

/** A store with memory. Everything but a check of a known token goes to the store behind it. */
export interface NearCache extends CachingStore {
  stats(): NearCacheStats;
}

export const NEAR_CACHE_ENTRIES = 10_000;
const OPTION_NAMES = ["feed", "maxEntries", "now"];

/** Throws "invalid-option" for a store without a feed, or a bad number of entries. */
export function nearCache(
  store: SessionStore | ObservableStore,
  options: NearCacheOptions = {},
): NearCache {
  refuseUnknown(options, OPTION_NAMES, "nearCache");
  if (typeof store?.load !== "function") {
    throw invalidOption("store", "must be a SessionStore (is an await missing before redisStore?)");
  }
  const { maxEntries = NEAR_CACHE_ENTRIES, now = monotonicMs } = options;
  if (!Number.isSafeInteger(maxEntries) || maxEntries < 1) {
    throw invalidOption("maxEntries", "must be a whole number above 0");
  }
  const feed = options.feed ?? ("feed" in store ? store.feed() : undefined);
  if (feed === undefined) {
    throw invalidOption("feed", "is missing: a redisStore tells changes if it was given a url");
  }
  return new CachedStore(store, feed, maxEntries, now);
}

/** A read under way, or one whose record has yet to be shown to open with some token. */
interface Note {
  readonly part: number;
  readonly epoch: number;
  readonly sentAt: number;
  /** Weakly, because nobody may ever say whether the token opens it. */
  record: WeakRef<SessionRecord> | undefined;
}

class CachedStore implements NearCache {
  readonly #store: SessionStore;
  readonly #feed: InvalidationFeed;
  readonly #maxEntries: number;
  readonly #clock: CacheClock;
  readonly #entries = new Map<string, Entry>();
  /** The newest token known of each session, to find its entry when it changes. */
  readonly #tokens = new Map<SessionId, string>();
  readonly #notes = new Map<SessionId, Note>();
  #hits = 0;
  #misses = 0;

  constructor(store: SessionStore, feed: InvalidationFeed, maxEntries: number, now: () => number) {
    this.#store = store;
    this.#feed = feed;
    this.#maxEntries = maxEntries;
    const began = now();
    // Any clock will do for `since`, the store's is about the same.
    this.#clock = { now, began, recalledAt: began, since: systemClock.now() };
    feed.listen((sid) => this.#forget(sid));
  }

  recall(token: string): SessionRecord | undefined {
    const entry = this.#entries.get(token);
    if (entry === undefined) return undefined;
    const now = this.#clock.now();
    this.#clock.recalledAt = now;
    if (
      now - this.#clock.began >= entry.deadline ||
      this.#feed.epochOf(entry.part) !== entry.epoch ||
      !this.#feed.isLive(entry.part, now)
    ) {
      return undefined;
    }
    this.#hits++;
    // A write would make the processor carry the line back to memory, each time.
    if (!entry.wasUsed) entry.wasUsed = true;
    return entry;
  }

  async load(sid: SessionId): Promise<LoadOutcome> {
    this.#misses++;
    const part = this.#feed.partOf(sid);
    const note: Note = {
      ...{ part, epoch: this.#feed.epochOf(part), sentAt: this.#clock.now() },
      record: undefined,
    };
    if (this.#notes.size >= this.#maxEntries) this.#notes.clear();
    this.#notes.set(sid, note);
    const loaded = await this.#store.load(sid).catch((error: unknown) => {
      this.#notes.delete(sid);
      throw error;
    });
    if (this.#notes.get(sid) !== note) return loaded;
    // What an old id became is another session's entry to be.
    if (loaded.outcome === "found" && loaded.record.sid === sid)
      note.record = new WeakRef(loaded.record);
    else this.#notes.delete(sid);
    return loaded;
  }

  remember(token: string, record: SessionRecord): void {
    const { sid } = record;
    const note = this.#notes.get(sid);
    if (note === undefined || note.record?.deref() !== record) return;
    this.#notes.delete(sid);
    const { part, epoch, sentAt } = note;
    if (this.#feed.epochOf(part) !== epoch || !this.#feed.isLive(part, sentAt)) return;
    this.#drop(sid);
    const own = flat(token);
    const deadline = Math.floor(sentAt - this.#clock.began) + record.remainingMs;
    this.#entries.set(own, new Entry(own, record, { deadline, part, epoch, clock: this.#clock }));
    this.#tokens.set(own.slice(0, sid.length) as SessionId, own);
    this.#makeRoom();
  }

  mintId(user?: string, beside?: SessionId): SessionId {
    return this.#store.mintId(user, beside);
  }

  async create(session: NewSession): Promise<CreateOutcome> {
    const created = await this.#store.create(session);
    // Known by the reply alone; what was being read of them is crossed out by the feed.
    if (created.outcome === "created") for (const sid of created.evicted) this.#forget(sid);
    return created;
  }

  update(sid: SessionId, change: Change): Promise<UpdateOutcome> {
    return this.#changing([sid], () => this.#store.update(sid, change));
  }

  touch(session: Touched, life: Life, intervalMs: number): Promise<TouchOutcome> {
    return this.#changing([session.sid], () => this.#store.touch(session, life, intervalMs));
  }

  rotate(rotation: Rotation): Promise<RotateOutcome> {
    return this.#changing([rotation.sid, rotation.next.sid], () => this.#store.rotate(rotation));
  }

  revoke(sid: SessionId, owner?: string): Promise<"revoked" | "absent"> {
    return this.#changing([sid], () => this.#store.revoke(sid, owner));
  }

  async revokeUser(user: string, except?: SessionId): Promise<number> {
    this.#forgetUser(user);
    try {
      return await this.#store.revokeUser(user, except);
    } finally {
      this.#forgetUser(user);
    }
  }

  generation(user: string): Promise<number> {
    return this.#store.generation(user);
  }

  list(user: string): Promise<Listing> {
    return this.#store.list(user);
  }

  stats(): NearCacheStats {
    const counts = { hits: this.#hits, misses: this.#misses, entries: this.#entries.size };
    return { ...this.#feed.stats(), ...counts };
  }

  async close(): Promise<void> {
    this.#feed.close();
    this.#entries.clear();
    this.#tokens.clear();
    this.#notes.clear();
    await this.#store.close();
  }

  /**
   * Forgets what is about to change, and again when it has: whoever waited for the write sees it here
   * at once, before the feed has told.
   */
  async #changing<T>(sids: readonly SessionId[], write: () => Promise<T>): Promise<T> {
    for (const sid of sids) this.#forget(sid);
    try {
      return await write();
    } finally {
      for (const sid of sids) this.#forget(sid);
    }
  }

  #forgetUser(user: string): void {
    // Whose the sessions are that are being read is not known yet.
    this.#notes.clear();
    for (const { sid, user: owner } of this.#entries.values()) {
      if (owner === user) this.#drop(sid);
    }
  }

  #forget(sid: SessionId): void {
    this.#notes.delete(sid);
    this.#drop(sid);
  }

  #drop(sid: SessionId): void {
    const token = this.#tokens.get(sid);
    if (token === undefined) return;
    this.#tokens.delete(sid);
    this.#entries.delete(token);
  }

  /** Second chance: who was used since the last time round goes to the end instead. */
  #makeRoom(): void {
    for (const [token, entry] of this.#entries) {
      if (this.#entries.size <= this.#maxEntries) return;
      this.#entries.delete(token);
      if (entry.wasUsed) {
        entry.wasUsed = false;
        this.#entries.set(token, entry);
      } else this.#tokens.delete(token.slice(0, SID_LENGTH) as SessionId);
    }
  }
}

/** A token of its own: a slice of a Cookie header would keep the whole header alive. */
function flat(token: string): string {
  return Buffer.from(token, "latin1").toString("latin1");
}
