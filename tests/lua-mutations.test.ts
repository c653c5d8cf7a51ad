/**
 * What one changed line of a Lua script would break in a single session. Each test was seen to fail
 * with a line changed that all other tests of the Redis store let pass.
 */
import { DATA_MAX_BYTES, DATA_MAX_FIELDS, type SessionRecord } from "latchkey";
import { redisStore } from "latchkey/redis";
import { beforeAll, describe, expect, test } from "vitest";
import { begin, change, found, openInsight, redisNow, SLIDING, SPLIT } from "./support/insight.ts";
import { startRedis } from "./support/redis-server.ts";
import { type Resp, respOnce } from "./support/resp.ts";
import { FIXED, HOUR, onAny, PATIENT, parse, useServers } from "./support/stores.ts";

const MINUTE = 60_000;
const servers = useServers();
let resp: Resp;

beforeAll(() => {
  ({ resp } = servers());
});

describe("create", () => {
  test("an evicted session leaves no string, no record and no entry", async () => {
    const { store, leftOf, index } = await open();
    const cap = { max: 1, policy: "evict-oldest" } as const;
    const old = await begin(store, { ...SPLIT, cap });
    const next = await begin(store, { ...SPLIT, cap });
    expect(await leftOf(old.sid)).toEqual([]);
    expect(await resp.command("ZRANGE", index("ada"), "0", "-1")).toEqual([next.sid]);
  });

  test("a lowered cap ends as many as it takes", async () => {
    const { store } = await open();
    for (let i = 0; i < 5; i++) await begin(store, SPLIT);
    await begin(store, { ...SPLIT, cap: { max: 2, policy: "evict-oldest" } });
    expect((await store.list("ada")).records).toHaveLength(2);
  });

  test("what is listed but is no session of the user takes up no room", async () => {
    const { store, key, index } = await open();
    const cap = { max: 4, policy: "reject" } as const;
    const made: SessionRecord[] = [];
    for (let i = 0; i < 4; i++) made.push(await begin(store, { ...SPLIT, cap }));
    const [gone = "", anothers = "", foreign = "", kept = ""] = made.map(({ sid }) => sid);
    await resp.command("DEL", key(gone), key(foreign));
    await resp.command("SET", key(anothers), "bob", "EX", "60");
    await resp.command("LPUSH", key(foreign), "x");
    const next = await begin(store, { ...SPLIT, cap });
    const listed = await resp.command("ZRANGE", index("ada"), "0", "-1");
    expect(new Set([listed].flat())).toEqual(new Set([kept, next.sid]));
  });

  // Removing all at once makes that login pay for all, and from some 8,000 on it fails in Lua.
  test("a login clears 200 of the entries that have run out, and the next one the rest", async () => {
    const { store, index } = await open();
    const dead = Array.from({ length: 250 }, (_, i) => ["1", `dead${i}`]).flat();
    await resp.command("ZADD", index("ada"), ...dead);
    await begin(store, SPLIT);
    expect(await resp.command("ZCARD", index("ada"))).toBe(50 + 1);
    await begin(store, SPLIT);
    expect(await resp.command("ZCARD", index("ada"))).toBe(2);
  });

  test("a generation that Redis has since forgotten refuses no login", async () => {
    const { store } = await open();
    await begin(store, { ...SPLIT, generation: 1_750_000_000_000 });
  });

  test("an idle timeout beyond the absolute one is cut to it", async () => {
    const { store, key, record } = await open();
    const life = { idleTimeoutMs: 2 * HOUR, absoluteTimeoutMs: HOUR };
    const { sid, absoluteExpiresAt } = await begin(store, { ...SPLIT, life });
    for (const name of [key(sid), record(sid)]) {
      expect(await resp.command("PEXPIRETIME", name)).toBe(absoluteExpiresAt);
    }
  });

  test("a record has no field that says nothing, and ends with its session, entry and index", async () => {
    const { store, key, record, index } = await open();
    const { sid, expiresAt } = await begin(store, SPLIT);
    const fields = await resp.command("HKEYS", record(sid));
    expect([fields].flat().sort()).toEqual(["a", "c", "s"]);
    for (const name of [key(sid), record(sid), index("ada")]) {
      expect(await resp.command("PEXPIRETIME", name), name).toBe(expiresAt);
    }
    expect(Number(await resp.command("ZSCORE", index("ada"), sid))).toBe(expiresAt);
  });

  test("a device is kept, also where there is nothing else to keep", async () => {
    const { store } = await open();
    const { sid } = await begin(store, { user: "ada", device: "Firefox" });
    expect((await found(store, sid)).device).toBe("Firefox");
  });

  test("instants are those of Redis' clock, to the millisecond", async () => {
    const { store } = await open();
    for (let i = 0; i < 10; i++) {
      const before = await redisNow(resp);
      const { createdAt } = await begin(store, SPLIT);
      expect(createdAt).toBeGreaterThanOrEqual(before);
      expect(createdAt).toBeLessThanOrEqual(await redisNow(resp));
    }
  });
});

describe("load and list", () => {
  // With an end of its own, it is the value alone that gives it away.
  test.each([
    ["a list", ["LPUSH", "x"]],
    ["a name of 257 bytes", ["SET", "x".repeat(257)]],
    ["5 MB", ["SET", "x".repeat(5_000_000)]],
  ])("%s that ends in a minute is no session either", async (_what, [verb = "", value = ""]) => {
    const { store, key } = await open();
    const sid = store.mintId("ada");
    await resp.command(verb, key(sid), value);
    await resp.command("EXPIRE", key(sid), "60");
    expect(await store.load(sid)).toMatchObject({ outcome: "corrupt" });
    expect(await store.update(sid, change({ a: "1" }))).toEqual({ outcome: "gone" });
    expect(await store.touch({ sid, user: "ada" }, SLIDING, 0)).toEqual({ outcome: "gone" });
    expect(await store.revoke(sid, "ada")).toBe("absent");
  });

  test("a generation that is a word makes a session corrupt, not Redis unavailable", async () => {
    const { store, record } = await open();
    const { sid } = await begin(store, SPLIT);
    await resp.command("HSET", record(sid), "g", "soon");
    expect(await store.load(sid)).toMatchObject({ outcome: "corrupt" });
    expect((await store.list("ada")).records).toEqual([]);
  });

  test("a session with all that a session may have is found, and listed the same", async () => {
    const { store, space } = await open();
    await store.revokeUser("ada");
    const names = Array.from({ length: DATA_MAX_FIELDS - 1 }, (_, i): [string, string] => [
      `${i}`,
      "1",
    ]);
    const made = await begin(store, { ...SPLIT, device: "Firefox", data: new Map(names) });
    await space.elapse(10 * MINUTE);
    await store.touch(made, SLIDING, MINUTE);
    expect(await store.update(made.sid, change({ last: "1" }))).toMatchObject({ version: 1 });
    const loaded = await found(store, made.sid);
    expect(loaded.data.size).toBe(DATA_MAX_FIELDS);
    const [listed] = (await store.list("ada")).records;
    const { remainingMs } = loaded;
    expect({ ...listed, remainingMs }).toEqual({ ...loaded, data: new Map() });
    expect(listed?.lastSeenAt).toBeGreaterThan(listed?.createdAt ?? 0);
  });

  test("what is past its absolute end is not listed, whatever its TTL says", async () => {
    const { store, space, key, record, index } = await open();
    const { sid } = await begin(store, SPLIT);
    for (const name of [key(sid), record(sid), index("ada")]) {
      await resp.command("EXPIRE", name, "86400");
    }
    await space.elapse(2 * HOUR);
    expect(await resp.command("ZCARD", index("ada"))).toBe(1);
    expect((await store.list("ada")).records).toEqual([]);
  });
});

describe("touch", () => {
  test("never moves an end back, also for a server with a shorter idle timeout", async () => {
    const { store, space, key } = await open();
    const made = await begin(store, SPLIT);
    const end = await resp.command("PEXPIRETIME", key(made.sid));
    await space.elapse(MINUTE);
    const touched = await store.touch(made, { ...SLIDING, idleTimeoutMs: MINUTE }, 0);
    const moved = Number(end) - MINUTE;
    expect(await resp.command("PEXPIRETIME", key(made.sid))).toBe(moved);
    expect(touched).toMatchObject({ outcome: "live", expiresAt: moved });
  });

  test("names no end past the absolute one, whatever the TTL says", async () => {
    const { store, key, record } = await open();
    const made = await begin(store, SPLIT);
    for (const name of [key(made.sid), record(made.sid)]) {
      await resp.command("EXPIRE", name, "86400");
    }
    const expected = { outcome: "live", expiresAt: made.absoluteExpiresAt };
    expect(await store.touch(made, SLIDING, HOUR)).toMatchObject(expected);
    expect(await store.touch(made, SLIDING, 0)).toMatchObject(expected);
  });

  test("lists no session that was in no list: taken out of it, or made by hand elsewhere", async () => {
    const { store, space, index } = await open();
    const made = await begin(store, SPLIT);
    await space.elapse(10 * MINUTE);
    await resp.command("ZREM", index("ada"), made.sid);
    expect(await store.touch(made, SLIDING, 0)).toMatchObject({ outcome: "live" });
    expect(await resp.command("EXISTS", index("ada"))).toBe(0);
    for (const [url, nodes] of [
      [servers().redis.url, [resp]],
      [servers().cluster.url, servers().clusterResps],
    ] as const) {
      const { store, key, record, space } = await open(url, nodes);
      const sid = parse("handmade-handmade-handma");
      const now = String(await redisNow(resp));
      const absolute = String(Number(now) + HOUR);
      await onAny(nodes, "SET", key(sid), "ada", "EX", "60");
      await onAny(nodes, "HSET", record(sid), "c", now, "a", absolute);
      await onAny(nodes, "EXPIRE", record(sid), "60");
      const touched = await store.touch({ sid, user: "ada" }, SLIDING, 0);
      expect(touched.outcome === "live" && touched.remainingMs).toBeGreaterThan(60_000);
      expect((await space.keys()).sort()).toEqual([key(sid), record(sid)].sort());
    }
  });

  test("begins no record where there is none", async () => {
    const { store, leftOf, key } = await open();
    const made = await begin(store, { user: "ada" });
    expect(await store.touch(made, FIXED, 0)).toMatchObject({ outcome: "live" });
    expect(await leftOf(made.sid)).toEqual([key(made.sid)]);
  });

  test("is not held up by a foreign index", async () => {
    const { store, space, index } = await open();
    const made = await begin(store, SPLIT);
    await space.elapse(10 * MINUTE);
    await resp.command("DEL", index("ada"));
    await resp.command("SET", index("ada"), "not ours", "EX", "60");
    const touched = await store.touch(made, SLIDING, MINUTE);
    expect(touched.outcome === "live" && touched.remainingMs).toBe(HOUR / 2);
    expect(await resp.command("GET", index("ada"))).toBe("not ours");
  });
});

describe("update", () => {
  test("a conflict names the version that is there", async () => {
    const { store } = await open();
    const { sid } = await begin(store, SPLIT);
    for (const n of ["1", "2", "3"]) await store.update(sid, change({ n }));
    const expected = { outcome: "conflict", version: 3 };
    expect(await store.update(sid, change({ n: "4" }, 1))).toEqual(expected);
  });

  test("a change that only unsets is written, and counts as one", async () => {
    const { store } = await open();
    const { sid } = await begin(store, { ...SPLIT, data: new Map([["a", "1"]]) });
    const updated = await store.update(sid, change({ a: null }));
    expect(updated).toEqual({ outcome: "updated", version: 1 });
    expect((await found(store, sid)).data.size).toBe(0);
  });

  test("as many fields as allowed fit, one more does not; one may take another's place", async () => {
    const { store } = await open();
    const { sid } = await begin(store, { user: "ada" });
    const all = Object.fromEntries(
      Array.from({ length: DATA_MAX_FIELDS }, (_, i) => [`${i}`, "1"]),
    );
    expect(await store.update(sid, change(all))).toMatchObject({ outcome: "updated" });
    expect(await store.update(sid, change({ more: "1" }))).toEqual({ outcome: "too-large" });
    const swap = await store.update(sid, change({ more: "1", 0: null }));
    expect(swap).toMatchObject({ outcome: "updated" });
  });

  test("names and values fill the bytes that are allowed, and not one more", async () => {
    const { store } = await open();
    const { sid } = await begin(store, SPLIT);
    const half = DATA_MAX_BYTES / 2;
    const full = { ["n".repeat(half - 1)]: "1", a: `"${"é".repeat((half - 4) / 2)}"`, b: "" };
    expect(await store.update(sid, change(full))).toMatchObject({ outcome: "updated" });
    expect(await store.update(sid, change({ b: "1" }))).toEqual({ outcome: "too-large" });
    expect(await store.update(sid, change({ c: "" }))).toEqual({ outcome: "too-large" });
  });

  test("a record that data begin ends with its session", async () => {
    const { store, key, record } = await open();
    for (const wishes of [SPLIT, { user: "ada" }]) {
      const { sid, expiresAt } = await begin(store, wishes);
      await store.update(sid, change({ a: "1" }));
      for (const name of [key(sid), record(sid)]) {
        expect(await resp.command("PEXPIRETIME", name)).toBe(expiresAt);
      }
    }
  });
});

test("a full Redis writes no data, and still lets use prolong, lists be read and people log out", async () => {
  const full = await startRedis({ args: ["--maxmemory-policy", "noeviction"] });
  const store = await redisStore({ url: full.url, callTimeout: PATIENT });
  const made = await begin(store, SPLIT);
  await begin(store, SPLIT);
  await respOnce(full.port, "CONFIG", "SET", "maxmemory", "1");
  const refused = { code: "store-unavailable" };
  await expect(store.update(made.sid, change({ a: "1" }))).rejects.toMatchObject(refused);
  expect(await store.touch(made, SLIDING, 0)).toMatchObject({ outcome: "live" });
  expect((await store.list("ada")).records).toHaveLength(2);
  expect(await store.revoke(made.sid)).toBe("revoked");
  expect(await store.revokeUser("ada")).toBe(1);
  expect(await respOnce(full.port, "DBSIZE")).toBe(1);
  await store.close();
  await full.stop();
});

function open(
  url: string = servers().redis.url,
  nodes: readonly Resp[] = [resp],
): ReturnType<typeof openInsight> {
  return openInsight(url, nodes);
}
