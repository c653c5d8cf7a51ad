/**
 * Random stories of all verbs, told to a store and to the model, which must agree on every answer and
 * on what is left. The same stories for the memory store, for Redis and for Cluster; and for stores
 * with a fault, which must be found out.
 */
import fc from "fast-check";
import type { SessionStore } from "latchkey";
import type { NodeRedisClient } from "latchkey/redis";
import { createClient, createCluster } from "redis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bareHashStore, wholeSessionStore } from "../support/naive-stores.ts";
import { Dice, rounds } from "../support/rounds.ts";
import { freshPrefix, useServers } from "../support/stores.ts";
import { checkAll, Story } from "./answers.ts";
import { onKeys, onMemory, onRedis, type System } from "./system.ts";
import { stories } from "./verbs.ts";

const COMMANDS_MAX = 60;
const LONG_TEST_MS = 15 * 60_000;

type Client = NodeRedisClient & { destroy(): void };
type Clients = readonly [Client, Client];
let single: Clients;
let cluster: Clients;
const servers = useServers();
const { seed } = new Dice();

beforeAll(async () => {
  console.log(`store model: LATCHKEY_TEST_SEED=${seed}`);
  const { redis, cluster: nodes } = servers();
  const rootNodes = nodes.nodes.map(({ url }) => ({ url }));
  single = await pair(async () => createClient({ url: redis.url }).connect());
  cluster = await pair(async () => createCluster({ rootNodes }).connect());
});

afterAll(() => {
  for (const client of [...(single ?? []), ...(cluster ?? [])]) client.destroy();
});

describe("every answer, and all that is left, is what the contract says", () => {
  test.each<[string, number, () => Promise<System>]>([
    ["in memory", 10_000, async () => onMemory()],
    ["on one Redis", 1_500, () => onRedis(single, [servers().resp])],
    ["on Cluster", 500, () => onRedis(cluster, servers().clusterResps)],
  ])(
    "%s",
    async (where, all, open) => {
      const runs = rounds(all);
      await fc.assert(told(open), { seed, numRuns: runs });
      console.log(`store model ${where}: ${runs} stories`);
    },
    LONG_TEST_MS,
  );
});

describe("a store that is written the usual way is found out", () => {
  test.each([
    ["saving the whole session", wholeSessionStore],
    ["writing a field without asking", bareHashStore],
  ])("%s", async (_name, make) => {
    const open = async (): Promise<System> => {
      const { resp } = servers();
      const prefix = freshPrefix();
      return onKeys([make(resp, prefix), make(resp, prefix)], [resp], prefix);
    };
    expect(await isFoundOut(open)).toBe(true);
  });
});

/** One fault each, in a store that is right otherwise. */
const FAULTS: Record<string, (store: SessionStore) => Partial<SessionStore>> = {
  "a load that prolongs": (store) => ({
    load: async (sid) => {
      const loaded = await store.load(sid);
      if (loaded.outcome === "found") {
        const life = { idleTimeoutMs: 30 * 60_000, absoluteTimeoutMs: 7_200_000 };
        await store.touch(loaded.record, life, 0);
      }
      return loaded;
    },
  }),
  "a load that calls a rotated id missing": (store) => ({
    load: async (sid) => {
      const loaded = await store.load(sid);
      return loaded.outcome === "rotated" ? { outcome: "missing" } : loaded;
    },
  }),
  "an update that ignores the version": (store) => ({
    update: (sid, change) => store.update(sid, { ...change, ifVersion: undefined }),
  }),
  "an update that removes nothing": (store) => ({
    update: (sid, change) => store.update(sid, { ...change, unset: new Set() }),
  }),
  "a touch that writes each time": (store) => ({
    touch: (touched, life) => store.touch(touched, life, 0),
  }),
  "a rotation whose grace is a moment too long": (store) => ({
    rotate: (wish) => store.rotate({ ...wish, graceMs: wish.graceMs && wish.graceMs + 1 }),
  }),
  "a new login that does not look at the generation": (store) => ({
    create: (session) => store.create({ ...session, generation: undefined }),
  }),
  "a cap of one too many": (store) => ({
    create: (session) =>
      store.create({
        ...session,
        cap: session.cap && { ...session.cap, max: session.cap.max + 1 },
      }),
  }),
  "a revoke of anybody's session": (store) => ({ revoke: (sid) => store.revoke(sid) }),
  "a revoke that takes an id for a session": (store) => ({
    revoke: async (sid, owner) => {
      const loaded = await store.load(sid);
      const isIt = loaded.outcome === "found" && loaded.record.sid === sid;
      return isIt ? store.revoke(sid, owner) : "absent";
    },
  }),
  "a revoke-all without exception": (store) => ({
    revokeUser: (user) => store.revokeUser(user),
  }),
  "a list that leaves one out": (store) => ({
    list: async (user) => {
      const { records, expired } = await store.list(user);
      return { records: records.slice(0, 2), expired };
    },
  }),
};

test.each(Object.entries(FAULTS))("%s is found out", async (_name, fault) => {
  const open = async (): Promise<System> => {
    const system = onMemory();
    const [store] = system.servers;
    const faulty: SessionStore = { ...methodsOf(store), ...fault(store) };
    return { ...system, servers: [faulty, faulty] };
  };
  expect(await isFoundOut(open)).toBe(true);
});

function told(open: () => Promise<System>) {
  return fc.asyncProperty(stories(COMMANDS_MAX), async (commands) => {
    const real = await open();
    const model = new Story();
    await fc.asyncModelRun(() => ({ model, real }), commands);
    await checkAll(model, real);
  });
}

async function isFoundOut(open: () => Promise<System>): Promise<boolean> {
  const { failed } = await fc.check(told(open), { seed, numRuns: 2_000, endOnFailure: true });
  return failed;
}

function methodsOf(store: SessionStore): SessionStore {
  return {
    mintId: (user, beside) => store.mintId(user, beside),
    create: (session) => store.create(session),
    load: (sid) => store.load(sid),
    update: (sid, change) => store.update(sid, change),
    touch: (touched, life, intervalMs) => store.touch(touched, life, intervalMs),
    rotate: (rotation) => store.rotate(rotation),
    revoke: (sid, owner) => store.revoke(sid, owner),
    revokeUser: (user, except) => store.revokeUser(user, except),
    generation: (user) => store.generation(user),
    list: (user) => store.list(user),
    close: () => store.close(),
  };
}

async function pair(open: () => Promise<Client>): Promise<Clients> {
  return [await open(), await open()];
}
