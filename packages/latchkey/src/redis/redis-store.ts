/**
 * A SessionStore on Redis: the truth is in Redis alone, and its TTL ends sessions.
 *
 * What each operation sends (one script is one round trip, and atomic). S is `session:<sid>`, R its
 * record, N what it became, I the index of its user, B the barrier of their slot:
 *
 *     create       EVALSHA create.lua        S R B N I
 *     load         EVALSHA load.lua          S R B N
 *     update       EVALSHA update.lua        S R B N
 *     touch        EVALSHA touch.lua         S R B N I
 *     rotate       EVALSHA rotate.lua        S R B N, for a new id its S R N and I
 *     revoke       EVALSHA revoke.lua        S R B N I
 *     revokeUser   EVALSHA revoke-user.lua   I B and the index of what is to be swept: all are dead;
 *                  EVALSHA page, sweep.lua   that index, S and R of up to 200, until none is left
 *     generation   EVALSHA generation.lua    I B
 *     list         EVALSHA page.lua          I
 *                  EVALSHA list.lua          I B, S R N of up to 200, as often as needed
 *
 * While a Cluster moves the slot, load and revoke ask key by key: see moving-slot.ts.
 * A verb on an id that was rotated lately takes one more round trip: see `#following`.
 * All keys of one script are in one hash slot, because ids are minted that way: see slots.ts.
 */
import type { InvalidationFeed, ObservableStore } from "../core/feed.ts";
import type { SessionRecord } from "../core/record.ts";
import {
  ABSOLUTE_TIMEOUT_MAX_MS,
  type Change,
  type CreateOutcome,
  DATA_MAX_BYTES,
  DATA_MAX_FIELDS,
  type Life,
  type Listing,
  type LoadOutcome,
  type NewSession,
  ROTATED_MEMORY_MS,
  type RotateOutcome,
  type Rotation,
  type Touched,
  type TouchOutcome,
  type UpdateOutcome,
} from "../core/store.ts";
import { parseSessionId, type RandomBytes, type SessionId, systemRandom } from "../core/token.ts";
import {
  array,
  decodeList,
  decodeLoad,
  type Loaded,
  number,
  RECORD_MAX_FIELDS,
  sessionId,
  sessionIds,
  unreadable,
} from "./codec.ts";
import type { RedisDriver } from "./driver.ts";
import { DEFAULT_PREFIX, type Keys, keysFor } from "./keys.ts";
import { loadMoving, type Places, revokeMoving } from "./moving-slot.ts";
import {
  CREATE,
  GENERATION,
  LIST,
  LOAD,
  PAGE,
  REVOKE,
  REVOKE_USER,
  ROTATE,
  SWEEP,
  TOUCH,
  UPDATE,
} from "./scripts.generated.ts";
import { mintFree, mintSteered, slotOf } from "./slots.ts";
import { checkStoreOptions, driverOf, type RedisStoreOptions } from "./store-options.ts";

/** More would mean a circle, which fresh ids cannot make. */
const ROTATIONS_FOLLOWED_MAX = 100;
/** How many sessions one script looks at or clears away: some 0.5 ms of Redis' time. */
const BATCH = 200;

/**
 * Opens the store. Rejects with `invalid-option` for a bad option, with "store-unavailable" if Redis
 * at `url` does not answer within 5 s.
 */
export async function redisStore(options: RedisStoreOptions): Promise<ObservableStore> {
  checkStoreOptions(options);
  const { prefix = DEFAULT_PREFIX, random = systemRandom } = options;
  const keys = keysFor(prefix);
  return new RedisStore(await driverOf(options), keys, random, "url" in options);
}

class RedisStore implements ObservableStore {
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

  mintId(user?: string, beside?: SessionId): SessionId {
    // A hand-made id may lie in another slot than its user's keys: what it becomes must lie beside it.
    const neighbour = beside !== undefined ? this.#keys.session(beside) : undefined;
    const home = neighbour ?? (user === undefined ? undefined : this.#keys.userSessions(user));
    const text =
      home === undefined
        ? mintFree(this.#random)
        : mintSteered(this.#keys.prefix, slotOf(home), this.#random);
    const sid = parseSessionId(text);
    if (sid === undefined) throw new TypeError("random gave fewer bytes than were asked for");
    return sid;
  }

  async create(session: NewSession): Promise<CreateOutcome> {
    const { sid, user, secretHash, life, cap, generation, device, data } = session;
    const keys = this.#withNext(sid);
    if (user !== undefined) keys.push(this.#keys.userSessions(user));
    const [outcome, ...rest] = await this.#driver.script(CREATE, keys, [
      ...[sid, user ?? "", String(life.idleTimeoutMs ?? 0), String(life.absoluteTimeoutMs)],
      ...[secretHash ?? "", String(generation ?? -1)],
      ...[String(cap?.max ?? 0), cap?.policy ?? "", this.#keys.prefix, device ?? ""],
      ...[...data].flat(),
    ]);
    if (outcome === "exists" || outcome === "stale") return { outcome };
    if (outcome === "limit") return { outcome, expired: sessionIds(rest[0]) };
    if (outcome !== "created") throw unreadable("create.lua answered something else");
    const [now = 0, expiresAt = 0, absoluteExpiresAt, created] = rest.slice(0, 4).map(number);
    const createdAt = created === 0 ? undefined : created;
    const record: SessionRecord = {
      ...{ sid, user, secretHash, device, data, version: 0, previous: undefined },
      ...{ createdAt, authTime: createdAt, lastSeenAt: createdAt },
      ...{ expiresAt, remainingMs: expiresAt - now },
      absoluteExpiresAt: createdAt === undefined ? undefined : absoluteExpiresAt,
    };
    return { outcome, record, evicted: sessionIds(rest[4]), expired: sessionIds(rest[5]) };
  }

  load(sid: SessionId): Promise<LoadOutcome> {
    return this.#load(sid, ROTATIONS_FOLLOWED_MAX);
  }

  async #load(sid: SessionId, hops: number): Promise<LoadOutcome> {
    if (hops === 0) return { outcome: "corrupt", reason: "rotated in a circle" };
    const loaded = await this.#loadOne(sid);
    if (loaded.outcome !== "moved") return loaded;
    const { secretHash, graceMs } = loaded.previous;
    if (graceMs <= 0) return { outcome: "rotated", secretHash, lateMs: Math.abs(graceMs) };
    const became = await this.#load(loaded.to, hops - 1);
    // What it became was itself rotated without a grace: whatever came before that is dead too.
    if (became.outcome === "rotated") return { outcome: "missing" };
    if (became.outcome !== "found") return became;
    return { outcome: "found", record: { ...became.record, previous: loaded.previous } };
  }

  async update(sid: SessionId, change: Change): Promise<UpdateOutcome> {
    const args = [
      ...[String(change.ifVersion ?? -1), String(DATA_MAX_FIELDS), String(DATA_MAX_BYTES)],
      ...[String(change.set.size), ...[...change.set].flat(), ...change.unset],
    ];
    const [outcome, version] = await this.#following(sid, (at) =>
      this.#driver.script(UPDATE, this.#withNext(at), args),
    );
    if (outcome === "gone" || outcome === "too-large") return { outcome };
    if (outcome === "updated" || outcome === "unchanged" || outcome === "conflict") {
      return { outcome, version: number(version) };
    }
    throw unreadable("update.lua answered something else");
  }

  async touch({ sid, user }: Touched, life: Life, intervalMs: number): Promise<TouchOutcome> {
    const { idleTimeoutMs = 0 } = life;
    const [outcome, now, expiresAt] = await this.#following(sid, (at) => {
      const keys = [...this.#withNext(at), ...this.#indexOf(at, user ?? "")];
      return this.#driver.script(TOUCH, keys, [at, String(idleTimeoutMs), String(intervalMs)]);
    });
    if (outcome === "gone") return { outcome };
    if (outcome !== "live") throw unreadable("touch.lua answered something else");
    const at = number(expiresAt);
    return { outcome, expiresAt: at, remainingMs: at - number(now) };
  }

  async rotate(rotation: Rotation): Promise<RotateOutcome> {
    const { user, secretHash, next, graceMs, login } = rotation;
    // A hand-made id cannot go on where its user's sessions are, out of reach of the barrier there.
    const isStray = user !== undefined && this.#indexOf(rotation.sid, user).length === 0;
    if (login !== undefined && isStray) {
      await this.revoke(rotation.sid, user);
      return { outcome: "gone" };
    }
    const [outcome, ...rest] = await this.#following(rotation.sid, (at) => {
      const keys = this.#withNext(at);
      if (next.sid !== rotation.sid) {
        keys.push(this.#keys.session(next.sid), this.#keys.record(next.sid));
        keys.push(this.#keys.next(next.sid), ...this.#indexOf(at, user ?? ""));
      }
      return this.#driver.script(ROTATE, keys, [
        ...[at, next.sid, secretHash ?? "", next.secretHash ?? "", next.seed ?? ""],
        ...[String(graceMs), String(ROTATED_MEMORY_MS), at === rotation.sid ? "" : "1"],
        ...[String(login?.life.absoluteTimeoutMs ?? 0), String(login?.life.idleTimeoutMs ?? 0)],
        ...[String(login?.generation ?? -1), login?.device ?? ""],
      ]);
    });
    switch (outcome) {
      case "kept":
      case "exists":
      case "stale":
      case "gone":
        return { outcome };
      case "repeated":
        // "-" stands for none: a new id needs no seed to be found again.
        return {
          ...{ outcome, sid: sessionId(rest[0]) },
          seed: rest[1] === "-" ? undefined : String(rest[1]),
        };
      case "rotated": {
        const [now = 0, expiresAt = 0, absoluteExpiresAt = 0] = rest.slice(1).map(number);
        return { outcome, expiresAt, remainingMs: expiresAt - now, absoluteExpiresAt };
      }
      default:
        throw unreadable("rotate.lua answered something else");
    }
  }

  async revoke(sid: SessionId, owner?: string): Promise<"revoked" | "absent"> {
    const [outcome] = await this.#following(sid, async (at) => {
      const user = owner ?? (await this.#ownerOf(at));
      const keys = [...this.#withNext(at), ...this.#indexOf(at, user)];
      return this.#driver.script(REVOKE, keys, [at, user], (run) =>
        revokeMoving(run, this.#placesOf(at), user),
      );
    });
    if (outcome === "revoked" || outcome === "absent") return outcome;
    throw unreadable("revoke.lua answered something else");
  }

  async revokeUser(user: string, except?: SessionId): Promise<number> {
    const index = this.#keys.userSessions(user);
    const swept = this.#keys.userRevoked(user);
    const raise = (kept?: SessionId): Promise<readonly unknown[]> => {
      const keys = [index, this.#keys.barrier(index), swept];
      // An id of another slot is not one of this user's sessions, so there is nothing to except.
      if (kept !== undefined && this.#indexOf(kept, user).length > 0) {
        keys.push(this.#keys.session(kept), this.#keys.record(kept), this.#keys.next(kept));
      }
      const args = [user, String(ABSOLUTE_TIMEOUT_MAX_MS), kept ?? ""];
      return this.#driver.script(REVOKE_USER, keys, args);
    };
    const [outcome] = await (except === undefined ? raise() : this.#following(except, raise));
    if (outcome !== "raised") throw unreadable("revoke-user.lua answered something else");
    return this.#sweep(swept, user);
  }

  async generation(user: string): Promise<number> {
    const index = this.#keys.userSessions(user);
    const keys = [index, this.#keys.barrier(index)];
    const [generation] = await this.#driver.script(GENERATION, keys, [user]);
    return number(generation);
  }

  async list(user: string): Promise<Listing> {
    const index = this.#keys.userSessions(user);
    const head = [index, this.#keys.barrier(index)];
    const records = new Map<SessionId, SessionRecord>();
    const expired: SessionId[] = [];
    const [page] = await this.#driver.script(PAGE, [index], ["0", "-1"]);
    let sids = this.#ownSids(array(page), user);
    while (sids.length > 0) {
      const batch = sids.slice(0, BATCH);
      const keys = batch.flatMap((sid) => [...this.#keysOf([sid]), this.#keys.next(sid)]);
      const reply = await this.#driver.script(LIST, [...head, ...keys], [user, ...batch]);
      const listed = decodeList(reply, user);
      for (const record of listed.records) records.set(record.sid, record);
      expired.push(...listed.expired);
      // Rotated while we were listing: the session goes on under an id that the page had not.
      sids = [...sids.slice(BATCH), ...listed.moved.filter((sid) => !records.has(sid))];
    }
    return { records: [...records.values()].sort((a, b) => a.expiresAt - b.expiresAt), expired };
  }

  feed(): InvalidationFeed | undefined {
    return this.#driver.feed?.(this.#keys.prefix);
  }

  async close(): Promise<void> {
    if (this.#ownsDriver) await this.#driver.close();
  }

  /**
   * Clears away what a revoke-all has ended, in steps that hold nobody up. They are dead whether or
   * not this comes to its end: what it leaves, the next one clears away, or its own deadline.
   */
  async #sweep(swept: string, user: string): Promise<number> {
    let count = 0;
    try {
      for (;;) {
        const [page] = await this.#driver.script(PAGE, [swept], ["0", String(BATCH - 1)]);
        const batch = array(page);
        if (batch.length === 0) return count;
        const sids = this.#ownSids(batch, user);
        if (sids.length > 0) {
          const keys = [swept, ...this.#keysOf(sids)];
          const [there] = await this.#driver.script(SWEEP, keys, sids);
          count += number(there);
        }
        // What is no session of this user was put there by hand; it must not be met again and again.
        const foreign = batch.length - sids.length;
        const rank = ["ZREMRANGEBYRANK", swept, "0", String(foreign - 1)];
        if (foreign > 0) await this.#driver.command(swept, rank);
      }
    } catch {
      return count;
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

  #placesOf(sid: SessionId): Places {
    const [session = "", record = "", barrier = "", next = ""] = this.#withNext(sid);
    return { session, record, barrier, next };
  }

  #withNext(sid: SessionId): string[] {
    return [...this.#sessionKeys(sid), this.#keys.next(sid)];
  }

  #keysOf(sids: readonly string[]): string[] {
    return sids.flatMap((sid) => [this.#keys.session(sid), this.#keys.record(sid)]);
  }

  async #loadOne(sid: SessionId): Promise<Loaded> {
    const args = [String(RECORD_MAX_FIELDS)];
    const reply = await this.#driver.script(LOAD, this.#withNext(sid), args, (run) =>
      loadMoving(run, this.#placesOf(sid)),
    );
    return decodeLoad(reply, sid);
  }

  /**
   * Runs a script for a session, and if its id was rotated into another, for that one: a script
   * cannot declare keys that it has yet to read of. What answers "moved" has changed nothing, so the
   * last one alone is the verb, and it is atomic.
   */
  async #following(
    sid: SessionId,
    run: (sid: SessionId) => Promise<readonly unknown[]>,
  ): Promise<readonly unknown[]> {
    let at = sid;
    for (let hops = 0; hops < ROTATIONS_FOLLOWED_MAX; hops++) {
      const reply = await run(at);
      if (reply[0] !== "moved") return reply;
      at = sessionId(reply[1]);
    }
    throw unreadable("the session was rotated more often than anyone rotates");
  }

  /** Whose session it is, "" if anonymous or if there is none. */
  async #ownerOf(sid: SessionId): Promise<string> {
    const loaded = await this.#loadOne(sid);
    return loaded.outcome === "found" ? (loaded.record.user ?? "") : "";
  }

  /** The index to tidy with the session. A hand-made id may lie in another slot; it is in no index. */
  #indexOf(sid: SessionId, user: string): readonly string[] {
    if (user === "") return [];
    const index = this.#keys.userSessions(user);
    return slotOf(index) === slotOf(this.#keys.session(sid)) ? [index] : [];
  }
}
