/**
 * Stores as they are usually written, on a real Redis: each step is right by itself. They are here to
 * be rejected: a suite that one of them passes proves nothing.
 */
import {
  type Change,
  type CreateOutcome,
  type Life,
  type Listing,
  type LoadOutcome,
  type NewSession,
  parseSessionId,
  type RotateOutcome,
  type Rotation,
  type SessionId,
  type SessionRecord,
  type SessionStore,
  systemRandom,
  type Touched,
  type TouchOutcome,
  type UpdateOutcome,
} from "latchkey";
import type { Resp } from "./resp.ts";

/** GET … change … SET EX: express-session with connect-redis, and most others. */
export function wholeSessionStore(redis: Resp, prefix: string): SessionStore {
  return new NaiveStore(redis, prefix, "whole");
}

/** HSET of the changed field, without asking whether the session is still there. */
export function bareHashStore(redis: Resp, prefix: string): SessionStore {
  return new NaiveStore(redis, prefix, "field");
}

interface Kept {
  readonly user: string | null;
  readonly secretHash: string | null;
  readonly device: string | null;
  readonly createdAt: number;
  readonly lastSeenAt: number;
  readonly absoluteExpiresAt: number;
  readonly version: number;
}

class NaiveStore implements SessionStore {
  readonly #redis: Resp;
  readonly #prefix: string;
  readonly #write: "whole" | "field";

  constructor(redis: Resp, prefix: string, write: "whole" | "field") {
    this.#redis = redis;
    this.#prefix = prefix;
    this.#write = write;
  }

  mintId(): SessionId {
    const sid = parseSessionId(Buffer.from(systemRandom(18)).toString("base64url"));
    if (sid === undefined) throw new Error("18 bytes are 24 characters");
    return sid;
  }

  async create(session: NewSession): Promise<CreateOutcome> {
    const { sid, user, secretHash, life, cap, device, data } = session;
    if (await this.#redis.command("EXISTS", this.#key(sid))) return { outcome: "exists" };
    const now = Date.now();
    const listed = user === undefined ? [] : await this.#index(user);
    if (cap !== undefined && listed.length >= cap.max) {
      if (cap.policy === "reject") return { outcome: "limit", expired: [] };
      for (const old of listed.splice(0, listed.length - cap.max + 1)) await this.revoke(old);
    }
    const kept: Kept = {
      ...{ user: user ?? null, secretHash: secretHash ?? null, device: device ?? null },
      ...{ createdAt: now, lastSeenAt: now, absoluteExpiresAt: now + life.absoluteTimeoutMs },
      version: 0,
    };
    const ttl = life.idleTimeoutMs ?? life.absoluteTimeoutMs;
    await this.#save(sid, kept, new Map(data), ttl);
    if (user !== undefined) await this.#saveIndex(user, [...listed, sid]);
    const record = await this.#read(sid);
    if (record === undefined) throw new Error("it was just created");
    return { outcome: "created", record, evicted: [], expired: [] };
  }

  async load(sid: SessionId): Promise<LoadOutcome> {
    const record = await this.#read(sid);
    return record === undefined ? { outcome: "missing" } : { outcome: "found", record };
  }

  async update(sid: SessionId, change: Change): Promise<UpdateOutcome> {
    const record = await this.#read(sid);
    if (record === undefined) return { outcome: "gone" };
    if (change.ifVersion !== undefined && change.ifVersion !== record.version) {
      return { outcome: "conflict", version: record.version };
    }
    const version = record.version + 1;
    if (this.#write === "field") {
      for (const [name, text] of change.set) {
        await this.#redis.command("HSET", this.#key(sid), `:${name}`, text);
      }
      for (const name of change.unset)
        await this.#redis.command("HDEL", this.#key(sid), `:${name}`);
    } else {
      const data = new Map([...record.data, ...change.set]);
      for (const name of change.unset) data.delete(name);
      await this.#save(sid, { ...keptOf(record), version }, data, record.remainingMs);
    }
    return { outcome: "updated", version };
  }

  async touch({ sid }: Touched, life: Life): Promise<TouchOutcome> {
    const record = await this.#read(sid);
    if (record === undefined) return { outcome: "gone" };
    const ttl = life.idleTimeoutMs ?? record.remainingMs;
    const kept = { ...keptOf(record), lastSeenAt: Date.now() };
    await this.#save(sid, kept, new Map(record.data), ttl);
    return { outcome: "live", expiresAt: Date.now() + ttl, remainingMs: ttl };
  }

  /** regenerate(): the old one goes, a new one is made of what was read. */
  async rotate({ sid, next, login }: Rotation): Promise<RotateOutcome> {
    const record = await this.#read(sid);
    if (record === undefined) return { outcome: "gone" };
    const { remainingMs, data } = record;
    const ttl = login?.life.absoluteTimeoutMs ?? remainingMs;
    await this.revoke(sid);
    const kept = { ...keptOf(record), secretHash: next.secretHash ?? null };
    await this.#save(next.sid, kept, new Map(data), ttl);
    if (record.user !== undefined) {
      await this.#saveIndex(record.user, [...(await this.#index(record.user)), next.sid]);
    }
    const expiresAt = Date.now() + ttl;
    return { outcome: "rotated", expiresAt, remainingMs: ttl, absoluteExpiresAt: expiresAt };
  }

  async revoke(sid: SessionId, owner?: string): Promise<"revoked" | "absent"> {
    const record = await this.#read(sid);
    if (record === undefined || (owner !== undefined && owner !== record.user)) return "absent";
    const { user } = record;
    if (user !== undefined) {
      await this.#saveIndex(
        user,
        (await this.#index(user)).filter((other) => other !== sid),
      );
    }
    return (await this.#redis.command("DEL", this.#key(sid))) === 1 ? "revoked" : "absent";
  }

  async revokeUser(user: string, except?: SessionId): Promise<number> {
    const ended = (await this.#index(user)).filter((sid) => sid !== except);
    for (const sid of ended) await this.revoke(sid);
    return ended.length;
  }

  async generation(): Promise<number> {
    return 0;
  }

  async list(user: string): Promise<Listing> {
    const records = await Promise.all((await this.#index(user)).map((sid) => this.#read(sid)));
    return { records: records.filter((record) => record !== undefined), expired: [] };
  }

  async close(): Promise<void> {}

  async #read(sid: SessionId): Promise<SessionRecord | undefined> {
    const parts = await this.#redis.command("HGETALL", this.#key(sid));
    const all = new Map<string, string>();
    for (let i = 0; Array.isArray(parts) && i < parts.length; i += 2) {
      all.set(String(parts[i]), String(parts[i + 1]));
    }
    const head = all.get("head");
    if (head === undefined && all.size === 0) return undefined;
    const kept: Partial<Kept> = JSON.parse(head ?? "{}");
    const remainingMs = Number(await this.#redis.command("PTTL", this.#key(sid)));
    const fields = [...all].filter(([name]) => name.startsWith(":"));
    return {
      ...{ sid, user: kept.user ?? undefined, secretHash: kept.secretHash ?? undefined },
      ...{
        createdAt: kept.createdAt,
        authTime: kept.createdAt,
        lastSeenAt: kept.lastSeenAt,
        device: kept.device ?? undefined,
      },
      ...{ absoluteExpiresAt: kept.absoluteExpiresAt, version: kept.version ?? 0 },
      ...{ expiresAt: Date.now() + remainingMs, remainingMs },
      previous: undefined,
      data: new Map(fields.map(([name, text]) => [name.slice(1), text])),
    };
  }

  async #save(sid: SessionId, kept: Kept, data: Map<string, string>, ttl: number): Promise<void> {
    const fields = [...data].flatMap(([name, text]) => [`:${name}`, text]);
    await this.#redis.command("DEL", this.#key(sid));
    await this.#redis.command("HSET", this.#key(sid), "head", JSON.stringify(kept), ...fields);
    await this.#redis.command("PEXPIRE", this.#key(sid), String(Math.round(ttl)));
  }

  async #index(user: string): Promise<SessionId[]> {
    const text = await this.#redis.command("GET", `${this.#prefix}user:${user}`);
    return typeof text === "string" ? JSON.parse(text) : [];
  }

  async #saveIndex(user: string, sids: readonly SessionId[]): Promise<void> {
    await this.#redis.command("SET", `${this.#prefix}user:${user}`, JSON.stringify(sids));
  }

  #key(sid: SessionId): string {
    return `${this.#prefix}${sid}`;
  }
}

function keptOf({ user, secretHash, device, ...rest }: SessionRecord): Kept {
  const { createdAt = 0, lastSeenAt = 0, absoluteExpiresAt = 0, version } = rest;
  return {
    ...{ user: user ?? null, secretHash: secretHash ?? null, device: device ?? null },
    ...{ createdAt, lastSeenAt, absoluteExpiresAt, version },
  };
}
