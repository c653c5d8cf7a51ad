/**
 * Sessions in the memory of one process: the reference implementation of the port, for tests and
 * for trying things out. They end with the process, and no second server sees them.
 *
 * Nothing in here waits, so every method is atomic by itself.
 */
import { type Clock, systemClock } from "../core/clock.ts";
import { refuseUnknown } from "../core/options.ts";
import type { SessionRecord } from "../core/record.ts";
import {
  type Change,
  type CreateOutcome,
  DATA_MAX_BYTES,
  DATA_MAX_FIELDS,
  type Life,
  type Listing,
  type LoadOutcome,
  type NewSession,
  type Reauthentication,
  ROTATED_MEMORY_MS,
  type RotateOutcome,
  type Rotation,
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
  refuseUnknown(options, ["clock", "random"], "memoryStore");
  return new MemoryStore(options);
}

interface Kept extends Omit<SessionRecord, "remainingMs" | "previous"> {
  readonly previous: Before | undefined;
  /** While the grace of the last rotation runs, there is no other. */
  readonly young: { readonly until: number; readonly seed: string | undefined } | undefined;
}

/** What opened a session before a rotation. */
interface Before {
  readonly secretHash: string | undefined;
  /** Until when it still does: no instant if it had no grace, for a clock may be set back. */
  readonly graceEndsAt: number;
  readonly endedAt: number;
}

/** What an id was rotated into. */
interface Moved extends Before {
  readonly to: SessionId;
}

/** 18 bytes are 24 characters of base64url without a spare bit, so each id has one spelling. */
const SID_BYTES = 18;
/** Below this many sessions nothing is gained by looking for dead ones. */
const SWEEP_FLOOR = 1_000;

class MemoryStore implements SessionStore {
  readonly #clock: Clock;
  readonly #random: RandomBytes;
  readonly #sessions = new Map<SessionId, Kept>();
  readonly #moved = new Map<SessionId, Moved>();
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
    if (this.#isTaken(sid)) return { outcome: "exists" };
    if (user !== undefined && generation !== undefined && this.#generation(user) > generation) {
      return { outcome: "stale" };
    }
    const { records: others, expired } = this.#listed(user);
    const excess = cap === undefined ? 0 : Math.max(0, others.length - cap.max + 1);
    if (excess > 0 && cap?.policy === "reject") return { outcome: "limit", expired };
    const evicted = others.slice(0, excess).map((other) => other.sid);
    for (const other of evicted) this.#sessions.delete(other);

    const absoluteExpiresAt = now + life.absoluteTimeoutMs;
    const kept: Kept = {
      ...{ sid, user, secretHash, device, data: new Map(data), version: 0 },
      ...{ previous: undefined, young: undefined },
      ...{ createdAt: now, authTime: now, lastSeenAt: now, absoluteExpiresAt },
      expiresAt: deadline(now, life, absoluteExpiresAt),
    };
    this.#sweep();
    this.#sessions.set(sid, kept);
    return { outcome: "created", record: this.#shown(kept), evicted, expired };
  }

  async load(sid: SessionId): Promise<LoadOutcome> {
    const record = this.#live(sid);
    if (record !== undefined) return { outcome: "found", record: this.#shown(record) };
    const moved = this.#remembered(sid);
    if (moved === undefined) return { outcome: "missing" };
    const { secretHash, graceEndsAt, endedAt } = moved;
    const now = this.#clock.now();
    const graceMs = graceEndsAt - now;
    if (graceMs <= 0) return { outcome: "rotated", secretHash, lateMs: Math.max(now - endedAt, 0) };
    const became = await this.load(moved.to);
    if (became.outcome !== "found") return { outcome: "missing" };
    return { ...became, record: { ...became.record, previous: { secretHash, graceMs } } };
  }

  async update(asked: SessionId, change: Change): Promise<UpdateOutcome> {
    const sid = this.#current(asked);
    const record = this.#live(sid);
    if (record === undefined) return { outcome: "gone" };
    const { version } = record;
    if (change.ifVersion !== undefined && change.ifVersion !== version) {
      return { outcome: "conflict", version };
    }
    const data = new Map([...record.data, ...change.set]);
    for (const name of change.unset) data.delete(name);
    if (isSame(data, record.data)) return { outcome: "unchanged", version };
    if (data.size > DATA_MAX_FIELDS || bytesOf(data) > DATA_MAX_BYTES) {
      return { outcome: "too-large" };
    }
    this.#sessions.set(sid, { ...record, data, version: version + 1 });
    return { outcome: "updated", version: version + 1 };
  }

  async touch(touched: Touched, life: Life, intervalMs: number): Promise<TouchOutcome> {
    const sid = this.#current(touched.sid);
    const record = this.#live(sid);
    if (record === undefined) return { outcome: "gone" };
    const now = this.#clock.now();
    const { lastSeenAt = now, absoluteExpiresAt = record.expiresAt } = record;
    const moved = deadline(now, life, absoluteExpiresAt);
    const isDue = life.idleTimeoutMs !== undefined && now - lastSeenAt >= intervalMs;
    const expiresAt = isDue ? Math.max(moved, record.expiresAt) : record.expiresAt;
    if (isDue) this.#sessions.set(sid, { ...record, lastSeenAt: now, expiresAt });
    return { outcome: "live", expiresAt, remainingMs: expiresAt - now };
  }

  async rotate(rotation: Rotation): Promise<RotateOutcome> {
    const { secretHash, next, graceMs, login } = rotation;
    const now = this.#clock.now();
    const sid = this.#current(rotation.sid);
    const record = this.#live(sid);
    if (record === undefined) return { outcome: "gone" };
    const { previous, young, user } = record;
    const note = sid === rotation.sid ? undefined : this.#moved.get(rotation.sid);
    const inGrace = previous !== undefined && previous.graceEndsAt > now;
    const isNewest = note === undefined && record.secretHash === secretHash;
    const before = note ?? (inGrace ? previous : undefined);
    const isBefore = before !== undefined && before.secretHash === secretHash;
    if (!isNewest && !isBefore) return { outcome: "gone" };
    if (graceMs > 0) {
      const isYoung = young !== undefined && young.until > now;
      if (isBefore && isYoung) return { outcome: "repeated", sid, seed: young.seed };
      if (isBefore || isYoung) return { outcome: "kept" };
    }
    const isMove = next.sid !== rotation.sid;
    if (isMove && this.#isTaken(next.sid)) return { outcome: "exists" };
    if (login?.generation !== undefined && user && this.#generation(user) > login.generation) {
      return { outcome: "stale" };
    }
    const endedAt = now + graceMs;
    const old = {
      ...{ secretHash: record.secretHash, endedAt },
      graceEndsAt: graceMs > 0 ? endedAt : Number.NEGATIVE_INFINITY,
    };
    const rotated: Kept = {
      ...(login === undefined ? record : begunAnew(record, now, login)),
      ...{ sid: next.sid, secretHash: next.secretHash, previous: isMove ? undefined : old },
      young: graceMs > 0 ? { until: endedAt, seed: next.seed } : undefined,
    };
    this.#sweep();
    if (isMove) this.#moved.set(sid, { ...old, to: next.sid });
    this.#sessions.delete(sid);
    this.#sessions.set(next.sid, rotated);
    const { expiresAt, absoluteExpiresAt = expiresAt } = rotated;
    return { outcome: "rotated", expiresAt, remainingMs: expiresAt - now, absoluteExpiresAt };
  }

  async revoke(asked: SessionId, owner?: string): Promise<"revoked" | "absent"> {
    const sid = this.#current(asked, "also after the grace");
    const record = this.#live(sid);
    if (record === undefined || (owner !== undefined && owner !== record.user)) return "absent";
    this.#sessions.delete(sid);
    return "revoked";
  }

  async revokeUser(user: string, except?: SessionId): Promise<number> {
    this.#generations.set(user, Math.max(this.#generation(user) + 1, this.#clock.now()));
    const kept = except && this.#current(except, "also after the grace");
    const ended = this.#listed(user).records.filter(({ sid }) => sid !== kept);
    for (const { sid } of ended) this.#sessions.delete(sid);
    return ended.length;
  }

  async generation(user: string): Promise<number> {
    return this.#generation(user);
  }

  async list(user: string): Promise<Listing> {
    const { records, expired } = this.#listed(user);
    return { records: records.map((kept) => ({ ...this.#shown(kept), data: new Map() })), expired };
  }

  async close(): Promise<void> {}

  #generation(user: string): number {
    return this.#generations.get(user) ?? 0;
  }

  /** The live sessions of a user, the one that ends first coming first; those that ran out go. */
  #listed(user: string | undefined): { records: readonly Kept[]; expired: readonly SessionId[] } {
    const own = [...this.#sessions.values()].filter((kept) => user && kept.user === user);
    const records = own.filter(({ sid }) => this.#live(sid) !== undefined);
    const expired = own.filter((kept) => !records.includes(kept)).map(({ sid }) => sid);
    return { records: records.sort((a, b) => a.expiresAt - b.expiresAt), expired };
  }

  #live(sid: SessionId): Kept | undefined {
    const kept = this.#sessions.get(sid);
    if (kept === undefined || kept.expiresAt > this.#clock.now()) return kept;
    this.#sessions.delete(sid);
    return undefined;
  }

  /** A session has the id, or had it before a rotation: an old token must open nothing new. */
  #isTaken(sid: SessionId): boolean {
    return this.#live(sid) !== undefined || this.#remembered(sid) !== undefined;
  }

  /** As the port shows it: what is an instant here is a span of time there. */
  #shown(kept: Kept): SessionRecord {
    const now = this.#clock.now();
    const { previous, young: _young, ...rest } = kept;
    return {
      ...rest,
      remainingMs: kept.expiresAt - now,
      previous: previous && {
        secretHash: previous.secretHash,
        graceMs: previous.graceEndsAt - now,
      },
    };
  }

  #remembered(sid: SessionId): Moved | undefined {
    const moved = this.#moved.get(sid);
    if (moved === undefined || moved.endedAt + ROTATED_MEMORY_MS > this.#clock.now()) {
      return moved;
    }
    this.#moved.delete(sid);
    return undefined;
  }

  /** What an id means: itself, or what it was rotated into, while the grace runs or at any time. */
  #current(sid: SessionId, until?: "also after the grace"): SessionId {
    if (this.#sessions.has(sid)) return sid;
    const moved = this.#remembered(sid);
    if (moved === undefined) return sid;
    if (until === undefined && moved.graceEndsAt <= this.#clock.now()) return sid;
    return this.#current(moved.to, until);
  }

  /** Forgets the dead each time the number of sessions has doubled: bounded memory, constant cost. */
  #sweep(): void {
    if (this.#sessions.size + this.#moved.size < this.#sweepAt) return;
    for (const sid of this.#sessions.keys()) this.#live(sid);
    for (const sid of this.#moved.keys()) this.#remembered(sid);
    this.#sweepAt = Math.max(SWEEP_FLOOR, 2 * (this.#sessions.size + this.#moved.size));
  }
}

function begunAnew(record: Kept, now: number, { life, device }: Reauthentication): Kept {
  const absoluteExpiresAt = now + life.absoluteTimeoutMs;
  return {
    ...record,
    ...{ authTime: now, lastSeenAt: now, absoluteExpiresAt, device: device ?? record.device },
    expiresAt: deadline(now, life, absoluteExpiresAt),
  };
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
