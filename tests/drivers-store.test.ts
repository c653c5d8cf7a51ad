/**
 * The store's contract on both client libraries, each on a single Redis, through Sentinel and on a
 * Cluster, as a user who may do what docs/guide/redis.md says and nothing else.
 */
import { readdirSync, readFileSync } from "node:fs";
import { nearCache } from "latchkey/near-cache";
import { redisStore } from "latchkey/redis";
import { type StoreHarness, storeConformance } from "latchkey/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Keyspace, keyspace } from "./support/redis-keyspace.ts";
import { connectResp, type Resp, respOnce } from "./support/resp.ts";
import { ROOT } from "./support/server.ts";
import { PATIENT } from "./support/stores.ts";
import { KINDS, type Place, TOPOLOGIES, usePlaces } from "./support/topologies.ts";
import { until } from "./support/until.ts";

const placeOf = usePlaces();
const GUIDE = readFileSync(`${ROOT}/docs/guide/redis.md`, "utf8");
const ACL = /^ACL SETUSER .*$/m.exec(GUIDE)?.[0].split(" ") ?? [];
let stores = 0;

beforeAll(async () => {
  for (const topology of TOPOLOGIES) {
    for (const primary of placeOf(topology).primaries) {
      await primary.command(...ACL);
      await primary.command("ACL", "LOG", "RESET");
    }
  }
});

afterAll(async () => {
  for (const topology of TOPOLOGIES) {
    for (const primary of placeOf(topology).primaries) {
      expect(await primary.command("ACL", "LOG")).toEqual([]);
    }
  }
});

for (const [library, topology] of KINDS) {
  storeConformance({ describe, test }, `${library}, ${topology}`, async () => {
    const place = placeOf(topology);
    // Under the patterns of the default prefix, and yet a keyspace of its own.
    const prefix = `session:${stores++}:`;
    const options = { url: asUser(place), prefix, library, callTimeout: PATIENT } as const;
    const [store, other] = await Promise.all([redisStore(options), redisStore(options)]);
    const space = keyspace(place.primaries, prefix);
    const harness: StoreHarness = {
      ...{ store, other, elapse: space.elapse },
      // When a test ends, each key it left must end by itself.
      async close() {
        await Promise.all([store.close(), other.close()]);
        await expectDeadlines(space, place.primaries);
      },
    };
    return harness;
  });
}

test.each(TOPOLOGIES)("the guide lets a near cache listen: %s", async (topology) => {
  const near = nearCache(
    await redisStore({ url: asUser(placeOf(topology)), callTimeout: PATIENT }),
  );
  await until(() => near.stats().problem === undefined);
  expect(near.stats().live).toBe(placeOf(topology).primaries.length);
  await near.close();
});

test("the guide lets the user do all that the scripts do", () => {
  const folder = `${ROOT}/packages/latchkey/src/redis/scripts`;
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".lua")) continue;
    const lua = readFileSync(`${folder}/${name}`, "utf8");
    for (const [, command = ""] of lua.matchAll(/redis\.p?call\('([A-Z]+)'/g)) {
      expect(ACL, name).toContain(`+${command.toLowerCase()}`);
    }
  }
});

test("the user of the guide may do nothing else", async () => {
  const { ports } = placeOf("single");
  const resp = await connectResp(ports[0] ?? 0);
  expect(await resp.command("ACL", "LOG")).toEqual([]);
  await resp.command("AUTH", "latchkey", "password");
  for (const command of [["KEYS", "*"], ["FLUSHALL"], ["GET", "other"], ["CONFIG", "GET", "*"]]) {
    await expect(resp.command(...command)).rejects.toThrow(/NOPERM/);
  }
  resp.close();
  await respOnce(ports[0] ?? 0, "ACL", "LOG", "RESET");
});

async function expectDeadlines(space: Keyspace, nodes: readonly Resp[]): Promise<void> {
  // Only the node that has the key answers other than with MOVED or "no such key".
  const ends = async (key: string): Promise<boolean> => {
    const left = await Promise.all(nodes.map((node) => node.command("PTTL", key).catch(() => -2)));
    return !left.includes(-1);
  };
  const keys = await space.keys();
  const mortal = await Promise.all(keys.map(ends));
  expect(keys.filter((_, i) => !mortal[i])).toEqual([]);
}

function asUser({ url }: Place): string {
  return url.replace("://", "://latchkey:password@");
}
