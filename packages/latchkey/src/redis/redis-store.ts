/**
 * A SessionStore on Redis: the truth is in Redis alone, and its TTL ends sessions.
 *
 * What each operation sends (one script is one round trip, and atomic). S is `session:<sid>`, R its
 * record, I the index of its user, B the barrier of their slot:
 *
 *     create       EVALSHA create.lua        S R B I
 *     load         EVALSHA load.lua          S R B
 *     update       EVALSHA update.lua        S R B
 *     touch        EVALSHA touch.lua         S R B I
 *     revoke       EVALSHA revoke.lua        S R I
 *     revokeUser   EVALSHA revoke-user.lua   B I and the index of what is to be swept: all are dead;
 *                  EVALSHA sweep.lua         that index, S and R of up to 200, until none is left
 *     generation   ZSCORE                    B
 *     list         ZRANGE                    I
 *                  EVALSHA list.lua          I B, S and R of up to 200, as often as needed
 *
 * All keys of one script are in one hash slot, because ids are minted that way: see slots.ts.
 */
import { type Duration, parseDuration } from "../core/duration.ts";
import { invalidOption, refuseUnknown } from "../core/options.ts";
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
import { array, decodeList, decodeLoad, number, RECORD_MAX_FIELDS, unreadable } from "./codec.ts";
import { CALL_TIMEOUT, type RedisDriver } from "./driver.ts";
import { DEFAULT_PREFIX, type Keys, keysFor } from "./keys.ts";
import { connect, driverFor, type NodeRedisClient } from "./node-redis.ts";
import {
  CREATE,
  LIST,
  LOAD,
  REVOKE,
  REVOKE_USER,
  SWEEP,
  TOUCH,
  UPDATE,
} from "./scripts.generated.ts";
import { mintFree, mintSteered, slotOf } from "./slots.ts";

export type RedisStoreOptions = {
  /** Before every key; default `session:`. Letters, digits and `_ . : / -`, at most 64. */
  readonly prefix?: string;
  /** Source of the ids. Default: the operating system's. */
  readonly random?: RandomBytes;
  /** Longest wait for one call, then "store-unavailable". Default "250ms". */
  readonly callTimeout?: Duration;
} & (
  | {
      /** `redis://`, `rediss://` or `redis+cluster://host:port,…`. The store opens and closes it. */
      readonly url: string;
    }
  | {
      /** A connected client of the `redis` package, single or cluster. You close it. */
      readonly client: NodeRedisClient;
    }
);

const OPTION_NAMES = ["url", "client", "prefix", "random", "callTimeout"];
/** How many sessions one script looks at or clears away: some 0.5 ms of Redis' time. */
const BATCH = 200;

/**
 * Opens the store. Rejects with `invalid-option` for a bad option, with "store-unavailable" if Redis
 * at `url` does not answer within 5 s.
 */
export async function redisStore(options: RedisStoreOptions): Promise<SessionStore> {
  checkOptions(options);
  const { prefix = DEFAULT_PREFIX, random = systemRandom } = options;
  const keys = keysFor(prefix);
  const limitMs = parseDuration(options.callTimeout ?? CALL_TIMEOUT, "callTimeout");
  const isOwn = "url" in options;
  const client = isOwn ? await connect(options.url) : options.client;
  return new RedisStore(driverFor(client, limitMs), keys, random, isOwn);
}

function checkOptions(options: RedisStoreOptions): void {
  refuseUnknown(options, OPTION_NAMES, "redisStore");
  const given = Object.keys(Object(options));
  if (given.includes("url") === given.includes("client")) {
    throw invalidOption("url", "or client must be given, and only one of them");
  }
  if ("client" in options && typeof options.client?.sendCommand !== "function") {
    throw invalidOption("client", "must be a client of the redis package");
  }
}

class RedisStore implements SessionStore {
  readonly #driver: RedisDriver;
  readonly #keys: Keys;
  readonly #random: RandomBytes;
  readonly #ownsDriver: boolean;

  constructor(driver: RedisDriver, keys: Keys, random: RandomBytes, ownsDriver: boolean) {
    this.#driver = driver;
    this.#keys = keys;
    this.#random = random;
    this.#ownsDriver = ownsDriver;
  }

  mintId(user?: string): SessionId {
    const text =
      user === undefined
        ? mintFree(this.#random)
        : mintSteered(this.#keys.prefix, slotOf(this.#keys.userSessions(user)), this.#random);
    const sid = parseSessionId(text);
    if (sid === undefined) throw new TypeError("random gave fewer bytes than were asked for");
    return sid;
  }

  async create(session: NewSession): Promise<CreateOutcome> {
    const { sid, user, secretHash, life, cap, generation, device, data } = session;
    const keys = this.#sessionKeys(sid);
    if (user !== undefined) keys.push(this.#keys.userSessions(user));
    const reply = await this.#driver.script(CREATE, keys, [
      ...[sid, user ?? "", String(life.idleTimeoutMs ?? 0), String(life.absoluteTimeoutMs)],
      ...[secretHash ?? "", String(generation ?? -1)],
      ...[String(cap?.max ?? 0), cap?.policy ?? "", this.#keys.prefix, device ?? ""],
      ...[...data].flat(),
    ]);
    const [outcome, ...rest] = array(reply);
    if (outcome === "exists" || outcome === "stale" || outcome === "limit") return { outcome };
    if (outcome !== "created") throw unreadable("create.lua answered something else");
    const [now, expiresAt, absoluteExpiresAt, created] = rest.slice(0, 4).map(number);
    if (now === undefined || expiresAt === undefined) throw unreadable("create.lua: short reply");
    const createdAt = created === 0 ? undefined : created;
    const record: SessionRecord = {
      ...{ sid, user, secretHash, device, data, version: 0 },
      ...{ createdAt, lastSeenAt: createdAt, expiresAt, remainingMs: expiresAt - now },
      absoluteExpiresAt: createdAt === undefined ? undefined : absoluteExpiresAt,
    };
    const evicted = rest.slice(4).flatMap((other) => parseSessionId(String(other)) ?? []);
    return { outcome, record, evicted };
  }

  async load(sid: SessionId): Promise<LoadOutcome> {
    const keys = this.#sessionKeys(sid);
    const args = [String(RECORD_MAX_FIELDS)];
    return decodeLoad(await this.#driver.script(LOAD, keys, args), sid, this.#keys.session(sid));
  }

  async update(sid: SessionId, change: Change): Promise<UpdateOutcome> {
    const reply = await this.#driver.script(UPDATE, this.#sessionKeys(sid), [
      ...[String(change.ifVersion ?? -1), String(DATA_MAX_FIELDS), String(DATA_MAX_BYTES)],
      ...[String(change.set.size), ...[...change.set].flat(), ...change.unset],
    ]);
    const [outcome, version] = array(reply);
    if (outcome === "gone" || outcome === "too-large") return { outcome };
    if (outcome === "updated" || outcome === "conflict")
      return { outcome, version: number(version) };
    throw unreadable("update.lua answered something else");
  }

  async touch({ sid, user }: Touched, life: Life, intervalMs: number): Promise<TouchOutcome> {
    const { idleTimeoutMs = life.absoluteTimeoutMs } = life;
    const keys = [...this.#sessionKeys(sid), ...this.#indexOf(sid, user ?? "")];
    const reply = await this.#driver.script(TOUCH, keys, [
      ...[sid, String(idleTimeoutMs), String(intervalMs)],
    ]);
    const [outcome, now, expiresAt] = array(reply);
    if (outcome === "gone") return { outcome };
    if (outcome !== "live") throw unreadable("touch.lua answered something else");
    const at = number(expiresAt);
    return { outcome, expiresAt: at, remainingMs: at - number(now) };
  }

  async revoke(sid: SessionId, owner?: string): Promise<"revoked" | "absent"> {
    const user = owner ?? (await this.#ownerOf(sid));
    if (user === undefined) return "absent";
    const keys = [this.#keys.session(sid), this.#keys.record(sid), ...this.#indexOf(sid, user)];
    const reply = await this.#driver.script(REVOKE, keys, [sid, user]);
    if (reply === "revoked" || reply === "absent") return reply;
    throw unreadable("revoke.lua answered something else");
  }

  async revokeUser(user: string, life: Life, except?: SessionId): Promise<number> {
    const index = this.#keys.userSessions(user);
    const swept = this.#keys.userRevoked(user);
    const keys = [this.#keys.barrier(index), index, swept];
    // An id of another slot is not one of this user's sessions, so there is nothing to except.
    if (except !== undefined && this.#indexOf(except, user).length > 0) {
      keys.push(this.#keys.session(except), this.#keys.record(except));
    }
    const args = [user, String(life.absoluteTimeoutMs), except ?? ""];
    number(await this.#driver.script(REVOKE_USER, keys, args));
    return this.#sweep(swept, user);
  }

  async generation(user: string): Promise<number> {
    const barrier = this.#keys.barrier(this.#keys.userSessions(user));
    return Number((await this.#driver.command(barrier, ["ZSCORE", barrier, user])) ?? 0);
  }

  async list(user: string): Promise<readonly SessionRecord[]> {
    const index = this.#keys.userSessions(user);
    const head = [index, this.#keys.barrier(index)];
    const entries = array(await this.#driver.command(index, ["ZRANGE", index, "0", "-1"]));
    const sids = this.#ownSids(entries, user);
    const found: SessionRecord[] = [];
    for (let from = 0; from < sids.length; from += BATCH) {
      const batch = sids.slice(from, from + BATCH);
      const keys = [...head, ...this.#keysOf(batch)];
      found.push(...decodeList(await this.#driver.script(LIST, keys, [user, ...batch]), user));
    }
    return found.sort((a, b) => a.expiresAt - b.expiresAt);
  }

  async close(): Promise<void> {
    if (this.#ownsDriver) await this.#driver.close();
  }

  /** Clears away what a revoke-all has ended, in steps that hold nobody up. */
  async #sweep(swept: string, user: string): Promise<number> {
    let count = 0;
    for (;;) {
      const last = String(BATCH - 1);
      const batch = array(await this.#driver.command(swept, ["ZRANGE", swept, "0", last]));
      if (batch.length === 0) return count;
      const sids = this.#ownSids(batch, user);
      if (sids.length > 0) {
        const keys = [swept, ...this.#keysOf(sids)];
        count += number(await this.#driver.script(SWEEP, keys, sids));
      }
      // What is no session of this user was put there by hand; it must not be met again and again.
      const foreign = batch.length - sids.length;
      const rank = ["ZREMRANGEBYRANK", swept, "0", String(foreign - 1)];
      if (foreign > 0) await this.#driver.command(swept, rank);
    }
  }

  /** An entry made by hand may be no id, or one of another slot, which would fail a whole script. */
  #ownSids(entries: readonly unknown[], user: string): readonly SessionId[] {
    const slot = slotOf(this.#keys.userSessions(user));
    return entries
      .flatMap((entry) => parseSessionId(String(entry)) ?? [])
      .filter((sid) => slotOf(this.#keys.session(sid)) === slot);
  }

  #sessionKeys(sid: SessionId): string[] {
    const session = this.#keys.session(sid);
    return [session, this.#keys.record(sid), this.#keys.barrier(session)];
  }

  #keysOf(sids: readonly string[]): string[] {
    return sids.flatMap((sid) => [this.#keys.session(sid), this.#keys.record(sid)]);
  }

  /** Whose session it is, "" if anonymous; undefined if there is none. */
  async #ownerOf(sid: SessionId): Promise<string | undefined> {
    const loaded = await this.load(sid);
    return loaded.outcome === "found" ? (loaded.record.user ?? "") : undefined;
  }

  /** The index to tidy with the session. A hand-made id may lie in another slot; it is in no index. */
  #indexOf(sid: SessionId, user: string): readonly string[] {
    if (user === "") return [];
    const index = this.#keys.userSessions(user);
    return slotOf(index) === slotOf(this.#keys.session(sid)) ? [index] : [];
  }
}
