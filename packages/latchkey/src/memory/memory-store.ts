/**
 * Sessions in the memory of one process: the reference implementation of the port, for tests and
 * for trying things out. They end with the process, and no second server sees them.
 *
 * Nothing in here waits, so every method is atomic by itself.
 */
import { type Clock, systemClock } from "../core/clock.ts";
import type { SessionRecord } from "../core/record.ts";
import {
  type Change,
  type CreateOutcome,
  DATA_MAX_BYTES,
  DATA_MAX_FIELDS,
  type Life,
  type LoadOutcome,
  type NewSession,
  type SessionStore,
  type Touched,
  type TouchOutcome,
  type UpdateOutcome,
} from "../core/store.ts";
import { parseSessionId, type RandomBytes, type SessionId, systemRandom } from "../core/token.ts";

export interface MemoryStoreOptions {
  /** Default: the system's time. Tests pass one that they move. */
  readonly clock?: Clock;
  /** Default: the operating system's randomness. */
  readonly random?: RandomBytes;
}

export function memoryStore(options: MemoryStoreOptions = {}): SessionStore {
  return new MemoryStore(options);
}

type Kept = Omit<SessionRecord, "remainingMs">;
type Live = SessionRecord;

/** 18 bytes are 24 characters of base64url without a spare bit, so each id has one spelling. */
const SID_BYTES = 18;
/** Below this many sessions nothing is gained by looking for dead ones. */
const SWEEP_FLOOR = 1_000;

class MemoryStore implements SessionStore {
  readonly #clock: Clock;
  readonly #random: RandomBytes;
  readonly #sessions = new Map<SessionId, Kept>();
  readonly #generations = new Map<string, number>();
  #sweepAt = SWEEP_FLOOR;

  constructor({ clock = systemClock, random = systemRandom }: MemoryStoreOptions) {
    this.#clock = clock;
    this.#random = random;
  }

  mintId(): SessionId {
    const sid = parseSessionId(Buffer.from(this.#random(SID_BYTES)).toString("base64url"));
    if (sid === undefined) throw new TypeError(`random(${SID_BYTES}) must give ${SID_BYTES} bytes`);
    return sid;
  }

  async create(session: NewSession): Promise<CreateOutcome> {
    const { sid, user, secretHash, life, cap, generation, device, data } = session;
    const now = this.#clock.now();
    if (this.#live(sid) !== undefined) return { outcome: "exists" };
    if (user !== undefined && generation !== undefined && this.#generation(user) > generation) {
      return { outcome: "stale" };
    }
    const others = user !== undefined && cap !== undefined ? this.#listed(user) : [];
    const excess = cap === undefined ? 0 : Math.max(0, others.length - cap.max + 1);
    if (excess > 0 && cap?.policy === "reject") return { outcome: "limit" };
    const evicted = others.slice(0, excess).map((other) => other.sid);
    for (const other of evicted) this.#sessions.delete(other);

    const absoluteExpiresAt = now + life.absoluteTimeoutMs;
    const expiresAt = deadline(now, life, absoluteExpiresAt);
    const kept: Kept = {
      ...{ sid, user, secretHash, device, data: new Map(data), version: 0 },
      ...{ createdAt: now, lastSeenAt: now, absoluteExpiresAt, expiresAt },
    };
    this.#sweep();
    this.#sessions.set(sid, kept);
    return { outcome: "created", record: { ...kept, remainingMs: expiresAt - now }, evicted };
  }

  async load(sid: SessionId): Promise<LoadOutcome> {
    const record = this.#live(sid);
    return record === undefined ? { outcome: "missing" } : { outcome: "found", record };
  }

  async update(sid: SessionId, change: Change): Promise<UpdateOutcome> {
    const record = this.#live(sid);
    if (record === undefined) return { outcome: "gone" };
    const { version } = record;
    if (change.ifVersion !== undefined && change.ifVersion !== version) {
      return { outcome: "conflict", version };
    }
    const data = new Map([...record.data, ...change.set]);
    for (const name of change.unset) data.delete(name);
    if (isSame(data, record.data)) return { outcome: "updated", version };
    if (data.size > DATA_MAX_FIELDS || bytesOf(data) > DATA_MAX_BYTES) {
      return { outcome: "too-large" };
    }
    this.#sessions.set(sid, { ...record, data, version: version + 1 });
    return { outcome: "updated", version: version + 1 };
  }

  async touch({ sid }: Touched, life: Life, intervalMs: number): Promise<TouchOutcome> {
    const record = this.#live(sid);
    if (record === undefined) return { outcome: "gone" };
    const now = this.#clock.now();
    const { lastSeenAt = now, absoluteExpiresAt = record.expiresAt } = record;
    const moved = deadline(now, life, absoluteExpiresAt);
    const isDue = now - lastSeenAt >= intervalMs;
    const expiresAt = isDue ? Math.max(moved, record.expiresAt) : record.expiresAt;
    if (isDue) this.#sessions.set(sid, { ...record, lastSeenAt: now, expiresAt });
    return { outcome: "live", expiresAt, remainingMs: expiresAt - now };
  }

  async revoke(sid: SessionId, owner?: string): Promise<"revoked" | "absent"> {
    const record = this.#live(sid);
    if (record === undefined || (owner !== undefined && owner !== record.user)) return "absent";
    this.#sessions.delete(sid);
    return "revoked";
  }

  async revokeUser(user: string, _life: Life, except?: SessionId): Promise<number> {
    this.#generations.set(user, Math.max(this.#generation(user) + 1, this.#clock.now()));
    const ended = this.#listed(user).filter(({ sid }) => sid !== except);
    for (const { sid } of ended) this.#sessions.delete(sid);
    return ended.length;
  }

  async generation(user: string): Promise<number> {
    return this.#generation(user);
  }

  async list(user: string): Promise<readonly SessionRecord[]> {
    return this.#listed(user).map((record) => ({ ...record, data: new Map() }));
  }

  async close(): Promise<void> {}

  #generation(user: string): number {
    return this.#generations.get(user) ?? 0;
  }

  /** The live sessions of a user, the one that ends first coming first. */
  #listed(user: string): readonly Live[] {
    return [...this.#sessions.values()]
      .filter((kept) => kept.user === user)
      .flatMap(({ sid }) => this.#live(sid) ?? [])
      .sort((a, b) => a.expiresAt - b.expiresAt);
  }

  #live(sid: SessionId): Live | undefined {
    const kept = this.#sessions.get(sid);
    if (kept === undefined) return undefined;
    const remainingMs = kept.expiresAt - this.#clock.now();
    if (remainingMs > 0) return { ...kept, remainingMs };
    this.#sessions.delete(sid);
    return undefined;
  }

  /** Forgets the dead each time the number of sessions has doubled: bounded memory, constant cost. */
  #sweep(): void {
    if (this.#sessions.size < this.#sweepAt) return;
    for (const sid of this.#sessions.keys()) this.#live(sid);
    this.#sweepAt = Math.max(SWEEP_FLOOR, 2 * this.#sessions.size);
  }
}

function deadline(now: number, { idleTimeoutMs }: Life, absoluteExpiresAt: number): number {
  return idleTimeoutMs === undefined
    ? absoluteExpiresAt
    : Math.min(now + idleTimeoutMs, absoluteExpiresAt);
}

function isSame(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([name, text]) => b.get(name) === text);
}

function bytesOf(data: ReadonlyMap<string, string>): number {
  return [...data].reduce((sum, [name, text]) => sum + Buffer.byteLength(name + text), 0);
}
