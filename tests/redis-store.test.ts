/** The Redis store: what only Redis can do to it. The contract: drivers-store.test.ts. */
import { connect, redisStore } from "latchkey/redis";
import { beforeAll, describe, expect, test } from "vitest";
import { startCluster, type TestCluster } from "./support/redis-cluster.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { type Resp, respOnce } from "./support/resp.ts";
import {
  HOUR,
  login,
  newSession,
  onAny,
  openStore,
  PATIENT,
  parse,
  useServers,
} from "./support/stores.ts";

const servers = useServers();
let redis: TestRedis;
let cluster: TestCluster;
let resp: Resp;
let clusterResps: readonly Resp[];

beforeAll(() => {
  ({ redis, cluster, resp, clusterResps } = servers());
});

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
      expect((await store.list("bob")).records).toEqual([]);
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
    expect((await store.list("ada")).records.map(({ sid }) => sid)).toEqual([sids[2]]);
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
    expect((await store.list("ada")).records.map(({ sid }) => sid)).toEqual([long]);
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
      expect((await store.list("ada")).records.map((record) => record.sid)).toEqual([sid]);
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

  test("a full Redis refuses logins, and still lets people log out", async () => {
    const full = await startRedis({ args: ["--maxmemory-policy", "noeviction"] });
    const store = await redisStore({ url: full.url, callTimeout: PATIENT });
    const sid = await login(store, "ada");
    const other = await login(store, "ada");
    await respOnce(full.port, "CONFIG", "SET", "maxmemory", "1");
    await expect(login(store, "ada")).rejects.toMatchObject({ code: "store-unavailable" });
    expect(await store.load(sid)).toMatchObject({ outcome: "found" });
    expect(await store.revoke(sid)).toBe("revoked");
    expect(await store.revokeUser("ada").catch(() => "refused")).not.toBe("refused");
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

  test("a URL alone is told where it belongs", async () => {
    const refused = redisStore(redis.url as never);
    await expect(refused).rejects.toMatchObject({
      ...{ code: "invalid-option", field: "url" },
      message: "redisStore takes an object: { url }",
    });
  });

  test("a bad time limit is refused by name", async () => {
    const refused = redisStore({ url: redis.url, callTimeout: "0s" });
    await expect(refused).rejects.toMatchObject({ field: "callTimeout" });
  });
});

function open(
  url: string = redis.url,
  nodes: readonly Resp[] = [resp],
): ReturnType<typeof openStore> {
  return openStore(url, nodes);
}
