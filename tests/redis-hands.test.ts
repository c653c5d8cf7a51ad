/** What hands in Redis can do to the store: foreign values, lost entries, moved deadlines. */
import type { SessionStore } from "latchkey";
import { createSessions } from "latchkey";
import { beforeAll, describe, expect, test } from "vitest";
import type { TestCluster } from "./support/redis-cluster.ts";
import { keyspace } from "./support/redis-keyspace.ts";
import type { TestRedis } from "./support/redis-server.ts";
import type { Resp } from "./support/resp.ts";
import { exchange } from "./support/sessions.ts";
import { HOUR, login, newSession, onAny, openStore, useServers } from "./support/stores.ts";

const servers = useServers();
let redis: TestRedis;
let cluster: TestCluster;
let resp: Resp;
let clusterResps: readonly Resp[];

beforeAll(() => {
  ({ redis, cluster, resp, clusterResps } = servers());
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

// An end that is an instant comes to lie ahead again: the token from before a login would open it.
test("what was rotated without a grace stays dead when Redis' clock is set back", async () => {
  const { store, space } = await open();
  const sid = await login(store, "ada");
  const next = { sid: store.mintId("ada", sid), secretHash: undefined, seed: undefined };
  const wish = { sid, user: "ada", secretHash: undefined, next, graceMs: 0, login: undefined };
  expect(await store.rotate(wish)).toMatchObject({ outcome: "rotated" });
  await space.elapse(-60_000);
  expect(await store.load(sid)).toMatchObject({ outcome: "rotated", lateMs: 0 });
  expect(await store.load(next.sid)).toMatchObject({ outcome: "found" });
});

// A list of all of them in one reply of a script is more than Lua's stack holds.
test("a user with 9,000 sessions can be listed and ended", async () => {
  const { store } = await open();
  for (let i = 0; i < 90; i++) {
    await Promise.all(Array.from({ length: 100 }, () => login(store, "ada")));
  }
  expect((await store.list("ada")).records).toHaveLength(9_000);
  expect(await store.revokeUser("ada")).toBe(9_000);
});

test("a login over a session made by hand ends it, and begins where its user's are", async () => {
  const { store, prefix } = await open();
  await resp.command("SET", `${prefix}handmade-handmade-handma`, "ada", "EX", "60");
  const sessions = createSessions({ store, layout: "literal" });
  const session = await sessions.open(exchange({ "x-session-id": "handmade-handmade-handma" }));
  const { token } = await session.login("ada");
  expect((await sessions.check("handmade-handmade-handma")).status).toBe("invalid");
  expect(await sessions.list("ada")).toHaveLength(1);
  await sessions.revokeUser("ada");
  expect((await sessions.check(token)).status).toBe("invalid");
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

  // One that lasts as long as today's setting lets sessions from before it was lowered live again.
  test("keeps a generation as long as any session may live, and not longer", async () => {
    const { store, prefix, space } = await open();
    const [barrier = ""] = await raised(store, prefix);
    await resp.command("ZADD", barrier, String(Date.now()), "neighbour");
    const day = 24 * HOUR;
    await space.elapse(399 * day);
    await store.revokeUser("ada");
    expect(await resp.command("ZSCORE", barrier, "neighbour")).not.toBeNull();
    await space.elapse(2 * day);
    await store.revokeUser("ada");
    expect(await resp.command("ZSCORE", barrier, "neighbour")).toBeNull();
    expect(Number(await resp.command("PTTL", barrier))).toBeGreaterThan(399 * day);
  });

  test("is raised above every generation of its slot, also those ahead of the clock", async () => {
    const { store, prefix } = await open();
    const [barrier = ""] = await raised(store, prefix);
    await resp.command("ZADD", barrier, "9000000000000", "neighbour");
    const sid = store.mintId("ada");
    await store.create(newSession(sid, { user: "ada", secretHash: "h".repeat(43) }));
    expect(await store.load(sid)).toMatchObject({ outcome: "found" });
    await resp.command("DEL", `{${prefix}user:ada}:sessions`);
    await store.revokeUser("ada");
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
      expect(await store.revokeUser("ada")).toBe(1);
      expect(await store.load(sid)).toEqual({ outcome: "missing" });
      expect(await store.revokeUser("ada")).toBe(0);
    }
  });

  async function raised(store: SessionStore, prefix: string): Promise<string[]> {
    if ((await store.generation("ada")) === 0) {
      // Only to learn its key: the neighbour's entry makes it exist, ada's own is taken out again.
      await store.revokeUser("ada");
    }
    const keys = (await keyspace([resp], prefix).keys()).filter((key) => key.endsWith(":barrier"));
    return keys;
  }
});

function open(
  url: string = redis.url,
  nodes: readonly Resp[] = [resp],
): ReturnType<typeof openStore> {
  return openStore(url, nodes);
}
