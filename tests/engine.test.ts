/** What the engine promises in numbers, on one Redis and on a Cluster: writes, steps, leftovers. */
import { createSessions, type HttpExchange, type SessionEvent } from "latchkey";
import { redisStore } from "latchkey/redis";
import { beforeAll, describe, expect, test } from "vitest";
import { killAmid } from "./support/killed.ts";
import type { TestCluster } from "./support/redis-cluster.ts";
import { keyspace } from "./support/redis-keyspace.ts";
import type { TestRedis } from "./support/redis-server.ts";
import { connectResp, type Resp } from "./support/resp.ts";
import { Dice, rounds } from "./support/rounds.ts";
import { exchange } from "./support/sessions.ts";
import {
  freshPrefix,
  HASH,
  HOUR,
  login,
  openStore,
  PATIENT,
  parse,
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
      await store.revokeUser("ada");
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
      // What a revoke-all has ended but not yet cleared away when it was killed is dead, and no orphan.
      const strings = keys.filter((key) => key.startsWith(prefix));
      const sessions: string[] = [];
      for (const sid of strings.map((key) => parse(key.slice(prefix.length)))) {
        if ((await store.load(sid)).outcome === "found") sessions.push(sid);
      }
      console.log(`${where}: ${kills} kills, ${sessions.length} sessions left, seed ${dice.seed}`);
      expect(sessions.length).toBeGreaterThan(0);
      expect([...listed].sort()).toEqual(sessions.sort());
      // No record without its session, and no key without an end.
      const records = keys
        .filter((key) => key.endsWith(":record"))
        .map((key) => key.slice(prefix.length + 1, -8));
      expect(records.filter((sid) => !strings.includes(prefix + sid))).toEqual([]);
      expect(await immortal(nodes, keys)).toEqual([]);
      await store.close();
      for (const node of nodes) node.close();
    },
    LONG_TEST_MS,
  );
});

/** After so many verbs: a moment that the kill does not choose by the clock. */
async function killAmidVerbs(url: string, prefix: string, dice: Dice): Promise<void> {
  let verbs = 1 + dice.below(20);
  await killAmid("verbs.js", [url, prefix], () => --verbs === 0);
}

// A regenerate() that makes a new session and deletes the old one logs out all but one of the 50.
describe.each(["one Redis", "Cluster"])("a rotation, on %s", (where) => {
  test.each(["split", "literal"] as const)(
    "among 50 requests logs nobody out; in the %s layout the old token is dead after the grace",
    async (layout) => {
      const isCluster = where === "Cluster";
      const { store, space } = isCluster
        ? await openStore(cluster.url, servers().clusterResps)
        : await openStore(redis.url, [resp]);
      const events: SessionEvent[] = [];
      // Longer than the test runs on any machine; time passes by `elapse` alone.
      const policy = { layout, rotationGrace: "5m" } as const;
      const sessions = createSessions({ store, ...policy, onEvent: (event) => events.push(event) });
      const { token } = await logIn(sessions);
      const statuses = await Promise.all(
        Array.from({ length: 50 }, async (_, i) => {
          const session = await sessions.open(requestWith(token));
          session.data[`n${i}`] = i;
          if (i % 10 === 5) await session.rotate();
          return [session.status, await session.commit()];
        }),
      );
      expect(statuses).toEqual(Array(50).fill(["valid", "updated"]));
      const rotated = events.filter(({ type }) => type === "rotated");
      expect(rotated).toHaveLength(1);
      const [record] = (await store.list("ada")).records;
      const loaded = record && (await store.load(record.sid));
      expect(loaded?.outcome === "found" && loaded.record.data.size).toBe(50);

      await space.elapse(5 * MINUTE);
      events.length = 0;
      expect((await sessions.check(token)).status).toBe("invalid");
      expect(events).toMatchObject([{ type: "reused" }]);
      expect(await sessions.list("ada")).toHaveLength(1);
      await store.close();
    },
  );
});

// Beginning the new session before the old one ends leaves both alive in about every fifth kill.
describe.each(["one Redis", "Cluster"])("a login over an anonymous session, on %s", (where) => {
  test(
    "killed at any moment: never are both alive, and after it the anonymous one is dead",
    async () => {
      const url = where === "Cluster" ? cluster.url : redis.url;
      const prefix = freshPrefix();
      const store = await redisStore({ url, prefix, callTimeout: PATIENT });
      const sessions = createSessions({ store });
      const dice = new Dice();
      const kills = rounds(200);
      const seen = { before: 0, between: 0, after: 0, both: 0 };
      for (let round = 0; round < kills; round++) {
        let last: Visit = { user: "", anonymous: "" };
        // load, revoke, create: how many of them are let through, and how far the next one gets.
        let steps = dice.below(4);
        await killAmid("logins.js", [url, prefix, `${round}`], async (message) => {
          if (isVisit(message)) {
            // The visit after this login: killed between the two, it was all done.
            if (last.user !== "") return true;
            last = message;
          } else if (last.user !== "") steps--;
          if (last.user === "" || steps > 0) return false;
          for (let turns = dice.below(40); turns > 0; turns--) await turn();
          return true;
        });
        const isAnonymousAlive = (await sessions.check(last.anonymous)).status === "valid";
        const isUserAlive = (await sessions.list(last.user)).length > 0;
        if (isAnonymousAlive && isUserAlive) seen.both++;
        else seen[isAnonymousAlive ? "before" : isUserAlive ? "after" : "between"]++;
      }
      console.log(`${where}: ${kills} kills around a login: ${JSON.stringify(seen)}`);
      expect(seen.both).toBe(0);
      await store.close();
    },
    LONG_TEST_MS,
  );
});

interface Visit {
  readonly user: string;
  readonly anonymous: string;
}

function isVisit(message: unknown): message is Visit {
  return typeof message === "object" && message !== null && "anonymous" in message;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
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
  return (await sessions.open(requestWith())).login("ada");
}

function requestWith(token?: string): HttpExchange {
  return exchange(token === undefined ? {} : { "x-session-id": token });
}
