/** The Redis store: the contract on one Redis and on a Cluster, and what only Redis can do to it. */
import {
  type Life,
  type NewSession,
  parseSessionId,
  type SessionId,
  type SessionStore,
} from "latchkey";
import { connect, redisStore } from "latchkey/redis";
import { type StoreHarness, storeConformance } from "latchkey/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startCluster, type TestCluster } from "./support/redis-cluster.ts";
import { type Keyspace, keyspace } from "./support/redis-keyspace.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { connectResp, type Resp, respOnce } from "./support/resp.ts";

const HOUR = 3_600_000;
const FIXED: Life = { idleTimeoutMs: undefined, absoluteTimeoutMs: HOUR };
const PATIENT = "30s";
let redis: TestRedis;
let cluster: TestCluster;
let resp: Resp;
let clusterResps: Resp[];
let tests = 0;

beforeAll(async () => {
  [redis, cluster] = await Promise.all([startRedis(), startCluster()]);
  resp = await connectResp(redis.port);
  clusterResps = await Promise.all(cluster.nodes.map(({ port }) => connectResp(port)));
});

afterAll(async () => {
  for (const node of [resp, ...(clusterResps ?? [])]) node?.close();
  await Promise.all([redis?.stop(), cluster?.stop()]);
});

storeConformance({ describe, test }, "Redis", () => harness(redis.url, [resp]));
storeConformance({ describe, test }, "Redis Cluster", () => harness(cluster.url, clusterResps));

/** Two stores under a prefix of their own. When a test ends, each key it left must end by itself. */
async function harness(url: string, nodes: readonly Resp[]): Promise<StoreHarness> {
  const prefix = `t${tests++}:`;
  // What is tested is what is answered, on however busy a machine; how fast: tests/faults.
  const options = { url, prefix, callTimeout: PATIENT } as const;
  const [store, other] = await Promise.all([redisStore(options), redisStore(options)]);
  const space = keyspace(nodes, prefix);
  return {
    store,
    other,
    elapse: space.elapse,
    async close() {
      await Promise.all([store.close(), other.close()]);
      await expectDeadlines(space, nodes);
    },
  };
}

async function expectDeadlines(space: Keyspace, nodes: readonly Resp[]): Promise<void> {
  const immortal: string[] = [];
  for (const key of await space.keys()) {
    // Only the node that has the key answers other than with MOVED or "no such key".
    for (const node of nodes) {
      if ((await node.command("PTTL", key).catch(() => -2)) === -1) immortal.push(key);
    }
  }
  expect(immortal).toEqual([]);
}

describe("what stands in Redis", () => {
  test("literal layout: the string and the index, nothing else", async () => {
    const { store, space, prefix } = await open();
    const sid = store.mintId("ada");
    await store.create(newSession(sid, { user: "ada" }));
    expect((await space.keys()).sort()).toEqual([
      `${prefix}${sid}`,
      `{${prefix}user:ada}:sessions`,
    ]);
    expect(await resp.command("GET", prefix + sid)).toBe("ada");
    const ttl = Number(await resp.command("TTL", prefix + sid));
    expect(ttl).toBeGreaterThan(3_500);
    expect(ttl).toBeLessThanOrEqual(3_600);
    await store.revoke(sid);
    expect(await space.keys()).toEqual([]);
  });

  test("split layout: the record beside it, and no key without an end", async () => {
    const { store, space, prefix } = await open();
    const sid = store.mintId("a:{b}");
    const secretHash = "h".repeat(43);
    await store.create(newSession(sid, { user: "a:{b}", secretHash }));
    const record = `{${prefix}${sid}}:record`;
    expect((await space.keys()).sort()).toEqual(
      [`${prefix}${sid}`, record, `{${prefix}user:a%3A%7Bb%7D}:sessions`].sort(),
    );
    expect(await resp.command("HGET", record, "s")).toBe(secretHash);
    await store.revoke(sid);
    expect(await space.keys()).toEqual([]);
  });

  test("a session made by hand is one, in no index, on one Redis and in Cluster", async () => {
    for (const [url, nodes] of [
      [redis.url, [resp]],
      [cluster.url, clusterResps],
    ] as const) {
      const { store, prefix } = await open(url, nodes);
      const sid = parse("handmade-handmade-handma");
      await onAny(nodes, "SET", prefix + sid, "bob", "EX", "60");
      expect(await store.load(sid)).toMatchObject({
        outcome: "found",
        record: { user: "bob", secretHash: undefined, createdAt: undefined },
      });
      expect(await store.list("bob")).toEqual([]);
      expect(await store.revoke(sid)).toBe("revoked");
      expect(await store.load(sid)).toEqual({ outcome: "missing" });
    }
  });

  test("a list forgets entries whose session is gone, without SCAN or KEYS", async () => {
    const { store, prefix } = await open();
    const sids = await Promise.all([1, 2, 3].map(() => login(store, "ada")));
    await resp.command("DEL", `${prefix}${sids[0]}`);
    // Overwritten by hand: no longer ada's.
    await resp.command("SET", `${prefix}${sids[1]}`, "bob", "EX", "60");
    expect((await store.list("ada")).map(({ sid }) => sid)).toEqual([sids[2]]);
    const index = `{${prefix}user:ada}:sessions`;
    expect(await resp.command("ZRANGE", index, "0", "-1")).toEqual([sids[2]]);
    const stats = String(await resp.command("INFO", "commandstats"));
    expect(stats).not.toMatch(/cmdstat_keys:/);
  });

  test("the index lasts as long as its last session, whichever came last", async () => {
    const { store, space } = await open();
    const long = await login(store, "ada", 2 * HOUR);
    await login(store, "ada", HOUR);
    await space.elapse(HOUR);
    expect((await store.list("ada")).map(({ sid }) => sid)).toEqual([long]);
  });

  test("a list is not upset by entries that are no ids or lie elsewhere", async () => {
    for (const [url, nodes] of [
      [redis.url, [resp]],
      [cluster.url, clusterResps],
    ] as const) {
      const { store, prefix } = await open(url, nodes);
      const sid = await login(store, "ada");
      const index = `{${prefix}user:ada}:sessions`;
      await onAny(nodes, "ZADD", index, "9e12", "no id", "9e12", "handmade-handmade-handma");
      expect((await store.list("ada")).map((record) => record.sid)).toEqual([sid]);
    }
  });

  test("what an earlier record left at a free id does not come along", async () => {
    const { store, prefix } = await open();
    const sid = store.mintId("ada");
    await resp.command("HSET", `{${prefix}${sid}}:record`, ":role", '"admin"', "s", "h".repeat(43));
    await store.create(newSession(sid, { user: "ada" }));
    const loaded = await store.load(sid);
    expect(loaded).toMatchObject({ outcome: "found", record: { secretHash: undefined } });
    expect(loaded.outcome === "found" && loaded.record.data.size).toBe(0);
  });

  describe("a barrier", () => {
    const REVOKED = "1750000000000";

    test("holds for sessions without record, whatever their deadline says", async () => {
      const { store, prefix } = await open();
      const sid = await login(store, "ada");
      const byHand = store.mintId("ada");
      await resp.command("SET", prefix + byHand, "ada", "EX", "86400");
      await resp.command("EXPIRE", prefix + sid, "86400");
      // As if the process had died right behind the barrier: nothing was swept.
      const [barrier] = await raised(store, prefix);
      await resp.command("ZADD", barrier ?? "", REVOKED, "ada");
      for (const dead of [sid, byHand]) {
        expect(await store.load(dead)).toEqual({ outcome: "missing" });
      }
      const next = await login(store, "ada");
      expect(await store.load(next)).toMatchObject({ outcome: "found" });
    });

    test("keeps a generation as long as the longest life that any server named", async () => {
      const { store, prefix, space } = await open();
      await store.revokeUser("ada", { ...FIXED, absoluteTimeoutMs: 12 * HOUR });
      const generation = await store.generation("ada");
      await space.elapse(2 * HOUR);
      // A neighbour in the same slot, revoked by a server whose sessions live for an hour.
      const [barrier = ""] = await raised(store, prefix);
      expect(Number(await resp.command("PTTL", barrier))).toBeGreaterThan(9 * HOUR);
      await store.revokeUser("ada", FIXED);
      expect(await store.generation("ada")).toBeGreaterThan(generation - 2 * HOUR);
      expect(Number(await resp.command("PTTL", barrier))).toBeGreaterThan(9 * HOUR);
      await resp.command("ZADD", barrier, String(generation - 2 * HOUR), "neighbour");
      await store.revokeUser("ada", FIXED);
      expect(await resp.command("ZSCORE", barrier, "neighbour")).not.toBeNull();
    });

    test("is raised above every generation of its slot, also those ahead of the clock", async () => {
      const { store, prefix } = await open();
      const [barrier = ""] = await raised(store, prefix);
      await resp.command("ZADD", barrier, "9000000000000", "neighbour");
      const sid = store.mintId("ada");
      await store.create(newSession(sid, { user: "ada", secretHash: "h".repeat(43) }));
      expect(await store.load(sid)).toMatchObject({ outcome: "found" });
      await resp.command("DEL", `{${prefix}user:ada}:sessions`);
      await store.revokeUser("ada", FIXED);
      expect(await store.load(sid)).toEqual({ outcome: "missing" });
    });

    test("entries made by hand in an index hold up no revoke-all", async () => {
      for (const [url, nodes] of [
        [redis.url, [resp]],
        [cluster.url, clusterResps],
      ] as const) {
        const { store, prefix } = await open(url, nodes);
        const sid = await login(store, "ada");
        const index = `{${prefix}user:ada}:sessions`;
        await onAny(nodes, "ZADD", index, "9e12", "no id", "9e12", "handmade-handmade-handma");
        expect(await store.revokeUser("ada", FIXED)).toBe(1);
        expect(await store.load(sid)).toEqual({ outcome: "missing" });
        expect(await store.revokeUser("ada", FIXED)).toBe(0);
      }
    });

    async function raised(store: SessionStore, prefix: string): Promise<string[]> {
      if ((await store.generation("ada")) === 0) {
        // Only to learn its key: the neighbour's entry makes it exist, ada's own is taken out again.
        await store.revokeUser("ada", FIXED);
      }
      const keys = (await keyspace([resp], prefix).keys()).filter((key) =>
        key.endsWith(":barrier"),
      );
      return keys;
    }
  });

  test("a full Redis refuses logins, and still lets people log out", async () => {
    const full = await startRedis({ args: ["--maxmemory-policy", "noeviction"] });
    const store = await redisStore({ url: full.url, callTimeout: PATIENT });
    const sid = await login(store, "ada");
    const other = await login(store, "ada");
    await respOnce(full.port, "CONFIG", "SET", "maxmemory", "1");
    await expect(login(store, "ada")).rejects.toMatchObject({ code: "store-unavailable" });
    expect(await store.load(sid)).toMatchObject({ outcome: "found" });
    expect(await store.revoke(sid)).toBe("revoked");
    expect(await store.revokeUser("ada", FIXED).catch(() => "refused")).not.toBe("refused");
    expect(await store.load(other)).toEqual({ outcome: "missing" });
    await store.close();
    await full.stop();
  });

  test("an entry past its deadline leaves the index at the next login", async () => {
    const { store, space, prefix } = await open();
    const short = await login(store, "ada", HOUR);
    const long = await login(store, "ada", 2 * HOUR);
    await space.elapse(HOUR);
    const next = await login(store, "ada", HOUR);
    const index = await resp.command("ZRANGE", `{${prefix}user:ada}:sessions`, "0", "-1");
    expect(new Set(index as string[])).toEqual(new Set([long, next]));
    expect(index).not.toContain(short);
  });
});

describe("a foreign value is no session, and stays as it is", () => {
  test.each([
    ["a list", ["LPUSH", "x"]],
    ["a hash", ["HSET", "f", "v"]],
    ["a username of 257 bytes", ["SET", "x".repeat(257)]],
    ["5 MB", ["SET", "x".repeat(5_000_000)]],
    ["a string without an end", ["SET", "bob"]],
    ["an end beyond all dates", ["SET", "bob", "EX", "9000000000000"]],
    ["a name with the mark of broken text", ["SET", "\ufffd", "EX", "60"]],
  ])("%s at the session key", async (_name, [command = "", ...args]) => {
    const { store, prefix } = await open();
    const sid = store.mintId();
    await resp.command(command, prefix + sid, ...args);
    expect(await store.load(sid)).toMatchObject({ outcome: "corrupt" });
    expect(await store.revoke(sid)).toBe("absent");
    expect(await resp.command("EXISTS", prefix + sid)).toBe(1);
    expect(await store.create(newSession(sid))).toEqual({ outcome: "exists" });
    await resp.command("DEL", prefix + sid);
  });

  test.each([
    ["a string at the record key", ["SET", "x"]],
    ["a hash that is no secret", ["HSET", "s", "short"]],
    ["an instant that is none", ["HSET", "a", "1e999"]],
    ["an instant before 1970", ["HSET", "c", "-1"]],
    ["an instant that is a word", ["HSET", "a", "soon"]],
    ["a version that is none", ["HSET", "v", "1.5"]],
    ["300 fields", ["HSET", ...Array.from({ length: 300 }, (_, i) => [`:${i}`, "1"]).flat()]],
  ])("%s", async (_name, [command = "", ...args]) => {
    const { store, prefix } = await open();
    const sid = await login(store, "ada");
    const record = `{${prefix}${sid}}:record`;
    await resp.command(command, record, ...args);
    expect(await store.load(sid)).toMatchObject({ outcome: "corrupt" });
    await resp.command("DEL", record);
    expect(await store.load(sid)).toMatchObject({ outcome: "found" });
  });

  test("a record's own end holds, even if the string was given more time", async () => {
    const { store, prefix, space } = await open();
    const sid = store.mintId("ada");
    const secretHash = "h".repeat(43);
    await store.create(newSession(sid, { user: "ada", secretHash }));
    await resp.command("EXPIRE", prefix + sid, "9999");
    await resp.command("EXPIRE", `{${prefix}${sid}}:record`, "9999");
    const loaded = await store.load(sid);
    expect(loaded.outcome === "found" && loaded.record.remainingMs).toBeLessThanOrEqual(HOUR);
    await space.elapse(HOUR);
    expect(await resp.command("EXISTS", prefix + sid)).toBe(1);
    expect(await store.load(sid)).toEqual({ outcome: "missing" });
  });

  test("a foreign index fails the login whole and does not hold up the logout", async () => {
    const { store, prefix, space } = await open();
    const sid = await login(store, "ada");
    const index = `{${prefix}user:ada}:sessions`;
    await resp.command("DEL", index);
    await resp.command("SET", index, "not ours", "EX", "60");
    await expect(login(store, "ada")).rejects.toMatchObject({ code: "store-unavailable" });
    expect((await space.keys()).sort()).toEqual([`${prefix}${sid}`, index].sort());
    expect(await store.revoke(sid, "ada")).toBe("revoked");
    expect(await resp.command("GET", index)).toBe("not ours");
  });
});

describe("the client", () => {
  test("scripts that Redis forgot are taught again, unseen", async () => {
    const { store } = await open();
    const sid = await login(store, "ada");
    await resp.command("SCRIPT", "FLUSH");
    expect(await store.load(sid)).toMatchObject({ outcome: "found" });
    await resp.command("SCRIPT", "FLUSH");
    expect(await store.revoke(sid)).toBe("revoked");
  });

  test("one's own client works, and stays open when the store is closed", async () => {
    const { createClient } = await import("redis");
    const client = await createClient({ url: redis.url }).connect();
    const store = await redisStore({ client, prefix: "own:" });
    const sid = await login(store, "ada");
    await store.close();
    expect(await client.get(`own:${sid}`)).toBe("ada");
    client.destroy();
  });

  test("a Cluster with a password is reached by a URL that has it", async () => {
    const locked = await startCluster();
    try {
      for (const { port } of locked.nodes) {
        await respOnce(port, "CONFIG", "SET", "requirepass", "se:cret");
      }
      const url = locked.url.replace("redis+cluster://", "redis+cluster://:se%3Acret@");
      const store = await redisStore({ url, callTimeout: PATIENT });
      const sids = await Promise.all(
        ["a", "b", "c", "d", "e", "f"].map((user) => login(store, user)),
      );
      for (const sid of sids) expect(await store.load(sid)).toMatchObject({ outcome: "found" });
      await store.close();
    } finally {
      await locked.stop();
    }
  });

  test("a client that rewrites keys is refused by name", async () => {
    const { createClient } = await import("redis");
    const client = createClient({ url: redis.url, keyPrefix: "app:" });
    await expect(redisStore({ client })).rejects.toMatchObject({
      code: "invalid-option",
      field: "client",
    });
  });

  test.each(["", "a{b}", "a b", "*", "x".repeat(65)])("prefix %j is refused", async (prefix) => {
    const refused = redisStore({ url: redis.url, prefix });
    await expect(refused).rejects.toMatchObject({ code: "invalid-option", field: "prefix" });
  });

  test.each([
    "http://127.0.0.1",
    "127.0.0.1:6379",
    "redis://127.0.0.1:port",
    "redis+cluster://",
    "redis+cluster://127.0.0.1:1,127.0.0.1:x",
  ])("url %j is refused", async (url) => {
    const refused = redisStore({ url });
    await expect(refused).rejects.toMatchObject({ code: "invalid-option", field: "url" });
  });

  test("no Redis there: store-unavailable", async () => {
    const refused = connect("redis://127.0.0.1:1", { timeoutMs: 500 });
    await expect(refused).rejects.toMatchObject({ code: "store-unavailable" });
  });

  test.each<[string, object | undefined]>([
    ["url", undefined],
    ["url", {}],
    ["url", { url: "redis://127.0.0.1:1", client: {} }],
    ["client", { client: {} }],
    ["keyPrefix", { url: "redis://127.0.0.1:1", keyPrefix: "x" }],
  ])("%s is named when the options are bad: %o", async (field, options) => {
    const refused = redisStore(options as Parameters<typeof redisStore>[0]);
    await expect(refused).rejects.toMatchObject({ code: "invalid-option", field });
  });

  test("a bad time limit is refused by name", async () => {
    const refused = redisStore({ url: redis.url, callTimeout: "0s" });
    await expect(refused).rejects.toMatchObject({ field: "callTimeout" });
  });
});

async function open(
  url: string = redis.url,
  nodes: readonly Resp[] = [resp],
): Promise<{ store: SessionStore; space: Keyspace; prefix: string }> {
  const prefix = `t${tests++}:`;
  const store = await redisStore({ url, prefix, callTimeout: PATIENT });
  return { store, space: keyspace(nodes, prefix), prefix };
}

/** A session without anything beside its user, for an hour. */
function newSession(sid: SessionId, wishes: Partial<NewSession> = {}): NewSession {
  return {
    ...{ sid, user: undefined, secretHash: undefined, device: undefined, data: new Map() },
    ...{ cap: undefined, generation: undefined, life: FIXED },
    ...wishes,
  };
}

async function login(
  store: SessionStore,
  user: string,
  absoluteTimeoutMs = HOUR,
): Promise<SessionId> {
  const sid = store.mintId(user);
  const life = { ...FIXED, absoluteTimeoutMs };
  const created = await store.create(newSession(sid, { user, life }));
  expect(created.outcome).toBe("created");
  return sid;
}

function parse(text: string): SessionId {
  const sid = parseSessionId(text);
  if (sid === undefined) throw new Error(`no session id: ${text}`);
  return sid;
}

/** Sends a command to the node that has the key: in a Cluster the others answer MOVED. */
async function onAny(nodes: readonly Resp[], ...args: string[]): Promise<void> {
  const outcomes = await Promise.allSettled(nodes.map((node) => node.command(...args)));
  expect(outcomes.some(({ status }) => status === "fulfilled")).toBe(true);
}
