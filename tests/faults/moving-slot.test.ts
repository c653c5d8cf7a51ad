/**
 * A Cluster moves a slot. Promise: loads and revokes notice nothing, also of rotated, expired and
 * revoked-all sessions; every other verb is done, or store-unavailable and then not done.
 */
import type { SessionId, SessionStore } from "latchkey";
import { redisStore } from "latchkey/redis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startCluster, type TestCluster } from "../support/redis-cluster.ts";
import { connectResp, type Resp } from "../support/resp.ts";
import { HASH, HOUR, login, newSession, PATIENT } from "../support/stores.ts";
import { LIBRARIES } from "../support/topologies.ts";

let cluster: TestCluster;
let nodes: Resp[];
let runs = 0;

beforeAll(async () => {
  cluster = await startCluster(2);
  nodes = await Promise.all(cluster.nodes.map(({ port }) => connectResp(port)));
});

afterAll(async () => {
  for (const node of nodes ?? []) node.close();
  await cluster?.stop();
});

describe.each(LIBRARIES)("%s", (library) => {
  test.each(["none yet", "some", "all"] as const)("with %s of the keys moved", async (moved) => {
    const user = `ada${runs++}`;
    const store = await redisStore({ url: cluster.url, library, callTimeout: PATIENT });
    const literal = await login(store, user);
    const split = await login(store, user, HOUR, HASH);
    const rotated = await login(store, user, HOUR, HASH);
    const became = await rotate(store, rotated, user);
    const doomed = await login(store, user);
    const dead = await login(store, user);
    await store.revoke(dead);
    const slot = Number(await node(0).command("CLUSTER", "KEYSLOT", `session:${literal}`));
    const slotOf = await open(slot, moved);

    const quick = await redisStore({ url: cluster.url, library });
    for (const _ of [1, 2, 3]) {
      expect(await quick.load(literal)).toMatchObject({ outcome: "found", record: { user } });
      const kept = { user, secretHash: HASH };
      expect(await quick.load(split)).toMatchObject({ outcome: "found", record: kept });
      expect(await quick.load(rotated)).toMatchObject({
        outcome: "found",
        record: { sid: became, previous: { secretHash: HASH } },
      });
      expect(await quick.load(dead)).toEqual({ outcome: "missing" });
    }
    expect(await quick.revoke(doomed, "somebody else")).toBe("absent");
    expect(await quick.revoke(doomed, user)).toBe("revoked");
    expect(await quick.revoke(doomed, user)).toBe("absent");
    expect(await quick.load(doomed)).toEqual({ outcome: "missing" });
    // Who ends a rotated id ends what it became.
    expect(await quick.revoke(rotated)).toBe("revoked");
    expect(await quick.load(became)).toEqual({ outcome: "missing" });

    const change = { set: new Map([["a", "1"]]), unset: new Set<string>(), ifVersion: undefined };
    const update = await quick.update(split, change).catch((error) => error.code);
    expect([{ outcome: "updated", version: 1 }, "store-unavailable"]).toContainEqual(update);
    const another = quick.mintId(user);
    const created = await quick.create(newSession(another, { user, secretHash: HASH })).then(
      ({ outcome }) => outcome,
      (error) => error.code,
    );
    expect(["created", "store-unavailable"]).toContain(created);

    await slotOf.close();
    const after = await store.load(split);
    const version = update === "store-unavailable" ? 0 : 1;
    expect(after).toMatchObject({ outcome: "found", record: { version } });
    const isThere = (await store.load(another)).outcome === "found";
    expect(isThere).toBe(created === "created");
    expect((await store.list(user)).records.map(({ sid }) => sid)).not.toContain(doomed);
    await store.revokeUser(user);
    expect(await store.load(split)).toEqual({ outcome: "missing" });
    console.log(`${library}, ${moved} moved: update ${JSON.stringify(update)}, login ${created}`);
    await Promise.all([store.close(), quick.close()]);
  });

  test("a revoke-all counts while the slot moves", async () => {
    const user = `bob${runs++}`;
    const store = await redisStore({ url: cluster.url, library, callTimeout: PATIENT });
    const sid = await login(store, user, HOUR, HASH);
    // Its index and its sessions stay; only the barrier says that they are dead.
    const slot = Number(await node(0).command("CLUSTER", "KEYSLOT", `session:${sid}`));
    const from = await ownerOf(slot);
    const kept = await node(from).command("DUMP", `session:${sid}`);
    expect(kept).not.toBeNull();
    await store.revokeUser(user);
    await node(from).command("SET", `session:${sid}`, user, "EX", "60");
    await node(from).command("HSET", `{session:${sid}}:record`, "s", HASH, "g", "1");
    const slotOf = await open(slot, "some");
    expect(await store.load(sid)).toEqual({ outcome: "missing" });
    await slotOf.close();
    await store.close();
  });
});

async function rotate(store: SessionStore, sid: SessionId, user: string): Promise<SessionId> {
  const next = { sid: store.mintId(user, sid), secretHash: HASH, seed: undefined };
  const rotation = { sid, user, secretHash: HASH, next, graceMs: 60_000, login: undefined };
  expect(await store.rotate(rotation)).toMatchObject({ outcome: "rotated" });
  return next.sid;
}

/** Opens a slot for its move to the other node, moves some keys, and in the end all of it. */
async function open(
  slot: number,
  moved: "none yet" | "some" | "all",
): Promise<{ close(): Promise<void> }> {
  const from = await ownerOf(slot);
  const to = 1 - from;
  const ids = await Promise.all(
    nodes.map(async (each) => String(await each.command("CLUSTER", "MYID"))),
  );
  await node(to).command("CLUSTER", "SETSLOT", String(slot), "IMPORTING", ids[from] ?? "");
  await node(from).command("CLUSTER", "SETSLOT", String(slot), "MIGRATING", ids[to] ?? "");
  const move = async (share: number): Promise<void> => {
    const keys = await node(from).command("CLUSTER", "GETKEYSINSLOT", String(slot), "1000");
    for (const [i, key] of (Array.isArray(keys) ? keys : []).entries()) {
      if (i % 2 >= share * 2) continue;
      const target = ["127.0.0.1", String(cluster.nodes[to]?.port), String(key), "0", "5000"];
      await node(from).command("MIGRATE", ...target);
    }
  };
  await move({ "none yet": 0, some: 0.5, all: 1 }[moved]);
  return {
    async close() {
      await move(1);
      for (const each of [to, from]) {
        await node(each).command("CLUSTER", "SETSLOT", String(slot), "NODE", ids[to] ?? "");
      }
    },
  };
}

async function ownerOf(slot: number): Promise<number> {
  const answers = await Promise.all(
    nodes.map(async (each) => each.command("CLUSTER", "COUNTKEYSINSLOT", String(slot))),
  );
  return answers.findIndex((count) => Number(count) > 0);
}

function node(index: number): Resp {
  const found = nodes[index];
  if (found === undefined) throw new Error("no such node");
  return found;
}
