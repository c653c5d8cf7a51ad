/** What the engine promises in numbers, on one Redis and on a Cluster: writes, steps, leftovers. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { createSessions } from "latchkey";
import { redisStore } from "latchkey/redis";
import { beforeAll, describe, expect, test } from "vitest";
import type { TestCluster } from "./support/redis-cluster.ts";
import { keyspace } from "./support/redis-keyspace.ts";
import type { TestRedis } from "./support/redis-server.ts";
import { connectResp, type Resp } from "./support/resp.ts";
import { Dice, rounds } from "./support/rounds.ts";
import { exchange } from "./support/sessions.ts";
import {
  FIXED,
  freshPrefix,
  HASH,
  HOUR,
  login,
  openStore,
  PATIENT,
  useServers,
} from "./support/stores.ts";

const MINUTE = 60_000;
const LONG_TEST_MS = 15 * MINUTE;

let redis: TestRedis;
let cluster: TestCluster;
let resp: Resp;

const servers = useServers();

beforeAll(() => {
  ({ redis, cluster, resp } = servers());
});

// A touch on every request, as it is usually done, makes 1,000 writes of these.
test("1,000 requests in one touch interval cause one write", async () => {
  const { store, space } = await openStore(redis.url, [resp]);
  const sessions = createSessions({ store, idleTimeout: "30m", absoluteTimeout: "12h" });
  const { token } = await logIn(sessions);
  await space.elapse(10 * MINUTE);
  await resp.command("CONFIG", "RESETSTAT");
  for (let i = 0; i < 20; i++) {
    const answers = await Promise.all(Array.from({ length: 50 }, () => sessions.check(token)));
    expect(answers.every(({ status }) => status === "valid")).toBe(true);
  }
  const stats = String(await resp.command("INFO", "commandstats"));
  expect(Number(/cmdstat_hset:calls=(\d+)/.exec(stats)?.[1])).toBe(1);
});

describe("revokeUser does not depend on the index", () => {
  test.each(["the index lost", "the index lost, and a login since"])(
    "%s: all the same",
    async (how) => {
      const { store, prefix } = await openStore(redis.url, [resp]);
      const sids = await Promise.all([1, 2, 3].map(() => login(store, "ada", HOUR, HASH)));
      await resp.command("DEL", `{${prefix}user:ada}:sessions`);
      if (how.endsWith("since")) sids.push(await login(store, "ada", HOUR, HASH));
      await store.revokeUser("ada", FIXED);
      for (const sid of sids) expect(await store.load(sid)).toEqual({ outcome: "missing" });
      const next = await login(store, "ada", HOUR, HASH);
      expect(await store.load(next)).toMatchObject({ outcome: "found" });
    },
  );
});

describe.each(["one Redis", "Cluster"])("killed at any moment, on %s", (where) => {
  test(
    "verbs leave no orphan: every listed session lives, and every session is listed",
    async () => {
      const isCluster = where === "Cluster";
      const url = isCluster ? cluster.url : redis.url;
      const ports = isCluster ? cluster.nodes.map(({ port }) => port) : [redis.port];
      const nodes = await Promise.all(ports.map((port) => connectResp(port)));
      const prefix = freshPrefix();
      const space = keyspace(nodes, prefix);
      const dice = new Dice();
      const kills = rounds(200);
      for (let round = 0; round < kills; round++) await killAmidVerbs(url, prefix, dice);

      const store = await redisStore({ url, prefix, callTimeout: PATIENT });
      const keys = await space.keys();
      const listed = new Set<string>();
      for (const user of ["ada", "bob", "cyd"]) {
        for (const { sid } of (await store.list(user)).records) listed.add(sid);
      }
      const sessions = keys
        .filter((key) => key.startsWith(prefix))
        .map((key) => key.slice(prefix.length));
      console.log(`${where}: ${kills} kills, ${sessions.length} sessions left, seed ${dice.seed}`);
      expect(sessions.length).toBeGreaterThan(0);
      expect([...listed].sort()).toEqual(sessions.sort());
      // No record without its session, and no key without an end.
      const records = keys
        .filter((key) => key.endsWith(":record"))
        .map((key) => key.slice(prefix.length + 1, -8));
      expect(records.filter((sid) => !listed.has(sid))).toEqual([]);
      expect(await immortal(nodes, keys)).toEqual([]);
      await store.close();
      for (const node of nodes) node.close();
    },
    LONG_TEST_MS,
  );
});

/** A process that runs verbs as fast as it can, until SIGKILL. */
async function killAmidVerbs(url: string, prefix: string, dice: Dice): Promise<void> {
  const script = fileURLToPath(new URL("./support/verbs.js", import.meta.url));
  // The test runner reads the sources; a plain node reads what was built.
  const worker: ChildProcess = fork(script, [url, prefix], { execArgv: [] });
  const exit = once(worker, "exit");
  // After so many verbs: a moment that the kill does not choose by the clock.
  for (let verbs = 1 + dice.below(20); verbs > 0; verbs--) {
    const [told] = await Promise.race([once(worker, "message"), exit]);
    if (told !== "verb") throw new Error(`the worker ended by itself: ${told}`);
  }
  worker.kill("SIGKILL");
  await exit;
}

async function immortal(nodes: readonly Resp[], keys: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const key of keys) {
    for (const node of nodes) {
      // The other nodes of a Cluster answer MOVED.
      if ((await node.command("PTTL", key).catch(() => -2)) === -1) found.push(key);
    }
  }
  return found;
}

async function logIn(sessions: ReturnType<typeof createSessions>) {
  return (await sessions.open(exchange({}))).login("ada");
}
