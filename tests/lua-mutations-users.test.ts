/**
 * What one changed line of a Lua script would break where all sessions of a user end. Each test was
 * seen to fail with a line changed that all other tests of the Redis store let pass.
 */
import { ABSOLUTE_TIMEOUT_MAX_MS } from "latchkey";
import { beforeAll, describe, expect, test } from "vitest";
import { slotOf } from "../packages/latchkey/src/redis/slots.ts";
import { begin, found, openInsight, redisNow, SLIDING, SPLIT } from "./support/insight.ts";
import type { Resp } from "./support/resp.ts";
import { HOUR, useServers } from "./support/stores.ts";

const MINUTE = 60_000;
const servers = useServers();
let resp: Resp;

beforeAll(() => {
  ({ resp } = servers());
});

describe("revokeUser", () => {
  test("clears away strings, records and both indexes, more than one batch, and counts sessions", async () => {
    const { store, left } = await open();
    await Promise.all(Array.from({ length: 250 }, () => begin(store, SPLIT)));
    expect(await store.revokeUser("ada")).toBe(250);
    expect(await left()).toEqual([]);
  });

  test("counts what was still there, not what the index named", async () => {
    const { store, key } = await open();
    const [gone] = [await begin(store, SPLIT), await begin(store, SPLIT)];
    await resp.command("DEL", key(gone.sid));
    expect(await store.revokeUser("ada")).toBe(1);
  });

  test("somebody else's session in the same slot is no exception, and is left as it is", async () => {
    const { store, key, record, index } = await open();
    const neighbour = neighbourOf("ada", index);
    const mine = await begin(store, SPLIT);
    const theirs = await begin(store, { ...SPLIT, user: neighbour });
    const kept = await resp.command("HGETALL", record(theirs.sid));
    expect(await store.revokeUser("ada", theirs.sid)).toBe(1);
    expect(await store.load(mine.sid)).toEqual({ outcome: "missing" });
    expect((await found(store, theirs.sid)).expiresAt).toBe(theirs.expiresAt);
    expect(await resp.command("HGETALL", record(theirs.sid))).toEqual(kept);
    expect(await resp.command("EXISTS", index("ada"))).toBe(0);
    expect((await store.list(neighbour)).records.map(({ sid }) => sid)).toEqual([theirs.sid]);
    await store.revokeUser(neighbour);
    expect(await resp.command("EXISTS", key(theirs.sid))).toBe(0);
  });

  test("a dead session is no exception: nothing of it comes back", async () => {
    const { store, leftOf, index } = await open();
    const dead = await begin(store, SPLIT);
    await store.revoke(dead.sid);
    await store.revokeUser("ada", dead.sid);
    expect(await leftOf(dead.sid)).toEqual([]);
    expect(await resp.command("EXISTS", index("ada"))).toBe(0);
  });

  test("the exception gets no more time: string, record, entry and index end together", async () => {
    for (const wishes of [SPLIT, { user: "ada" }]) {
      const { store, key, record, index } = await open();
      const { sid, expiresAt } = await begin(store, wishes);
      await store.revokeUser("ada", sid);
      for (const name of [key(sid), record(sid), index("ada")]) {
        expect(await resp.command("PEXPIRETIME", name), name).toBe(expiresAt);
      }
      expect(Number(await resp.command("ZSCORE", index("ada"), sid))).toBe(expiresAt);
    }
  });

  // As if the process had been killed between the script that ends them and the first sweep.
  test("what a cut-off sweep left behind ends by itself, or with the next revokeUser", async () => {
    const { store, cutOff, swept, left, index } = await open();
    await begin(store, SPLIT);
    await cutOff("ada");
    const ttl = Number(await resp.command("PTTL", swept("ada")));
    // As long as what it names: nothing of it is used any more, so nothing is prolonged.
    const { idleTimeoutMs = 0 } = SLIDING;
    expect(ttl).toBeGreaterThan(idleTimeoutMs - MINUTE);
    expect(ttl).toBeLessThanOrEqual(idleTimeoutMs);
    await begin(store, SPLIT);
    await cutOff("ada");
    expect(await resp.command("ZCARD", swept("ada"))).toBe(2);
    expect(await resp.command("EXISTS", index("ada"))).toBe(0);
    expect(await store.revokeUser("ada")).toBe(2);
    expect(await left()).toEqual([]);
  });

  test("a foreign index holds up no revokeUser, and stays as it is", async () => {
    const { store, index } = await open();
    const made = await begin(store, SPLIT);
    await resp.command("DEL", index("ada"));
    await resp.command("SET", index("ada"), "not ours", "EX", "60");
    expect(await store.revokeUser("ada")).toBe(0);
    expect(await store.load(made.sid)).toEqual({ outcome: "missing" });
    expect(await resp.command("GET", index("ada"))).toBe("not ours");
  });
});

describe("a barrier", () => {
  test("lasts as long as any session may, after the last revokeUser, and forgets older ones", async () => {
    const { store, space, barriers } = await open();
    await store.revokeUser("ada");
    const [barrier = ""] = await barriers();
    const left = async (): Promise<number> => Number(await resp.command("PTTL", barrier));
    await store.revokeUser("ada");
    expect(await left()).toBeGreaterThan(ABSOLUTE_TIMEOUT_MAX_MS - MINUTE);
    await space.elapse(HOUR);
    const now = await redisNow(resp);
    await resp.command("ZADD", barrier, String(now - ABSOLUTE_TIMEOUT_MAX_MS - 1), "long ago");
    await resp.command("ZADD", barrier, String(now), "just now");
    await store.revokeUser("ada");
    expect(await left()).toBeGreaterThan(ABSOLUTE_TIMEOUT_MAX_MS - MINUTE);
    const users = [await resp.command("ZRANGE", barrier, "0", "-1")].flat();
    expect(users).toEqual(["just now", "ada"]);
  });

  test("that a neighbour in the slot raised ends no session of others, and refuses no login", async () => {
    const { store, index } = await open();
    const made = await begin(store, SPLIT);
    const generation = await store.generation("ada");
    await store.revokeUser(neighbourOf("ada", index));
    await found(store, made.sid);
    await begin(store, { ...SPLIT, generation });
    expect((await store.list("ada")).records).toHaveLength(2);
  });

  test("that is no barrier ends no session and no login, and revokeUser says so", async () => {
    const { store, barriers } = await open();
    await store.revokeUser("ada");
    const [barrier = ""] = await barriers();
    await resp.command("SET", barrier, "x", "EX", "60");
    const made = await begin(store, { ...SPLIT, generation: 0 });
    await found(store, made.sid);
    expect((await store.list("ada")).records).toHaveLength(1);
    await expect(store.revokeUser("ada")).rejects.toMatchObject({
      code: "store-unavailable",
    });
    await found(store, made.sid);
    expect((await store.list("ada")).records).toHaveLength(1);
  });
});

/** Somebody whose sessions are in the same hash slot. */
function neighbourOf(user: string, index: (user: string) => string): string {
  for (let i = 0; ; i++) {
    const other = `${user}${i}`;
    if (slotOf(index(other)) === slotOf(index(user))) return other;
  }
}

function open(): ReturnType<typeof openInsight> {
  return openInsight(servers().redis.url, [resp]);
}
