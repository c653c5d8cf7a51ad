/** The conformance suite must reject stores that are written the usual way, or break one line of it. */
import type { SessionStore } from "latchkey";
import { ManualClock, type StoreHarness, storeConformance } from "latchkey/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type Breaks,
  brokenStore,
  closesSessions,
  countsByClock,
  createsInSilence,
  createsOnRotated,
  listsTwice,
  movesBack,
  rotatesOntoRotated,
} from "./support/broken-stores.ts";
import { bareHashStore, wholeSessionStore } from "./support/naive-stores.ts";
import { keyspace } from "./support/redis-keyspace.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { connectResp, type Resp } from "./support/resp.ts";

let redis: TestRedis;
let connections: Resp[];
let prefixes = 0;

beforeAll(async () => {
  redis = await startRedis();
  connections = await Promise.all([connectResp(redis.port), connectResp(redis.port)]);
});

afterAll(async () => {
  for (const connection of connections ?? []) connection.close();
  await redis?.stop();
});

test.each<[string, (redis: Resp, prefix: string) => SessionStore, string[]]>([
  [
    "saving the whole session",
    wholeSessionStore,
    [
      "update: 50 that set 50 different fields at once all win",
      "update: 50 parallel increments by version end at 50",
    ],
  ],
  [
    "writing a field without asking",
    bareHashStore,
    ["update: by version, one of 50 at once wins and the others are told"],
  ],
])("%s is rejected", async (_name, store, lost) => {
  const failed = await failures(async () => open(store));
  for (const promise of lost) expect(failed).toContain(promise);
  // An index that is read, changed and written back, and a cap that is counted before.
  expect(failed).toContain("list: 100 parallel logins are 100 sessions");
  expect(failed).toContain("cap: 200 logins at once leave exactly 5, for both policies");
  expect(failed).toContain("create: of 50 that take the same id at once, one gets it");
  expect(failed).toContain("revokeUser: a login whose credential was checked before it is refused");
});

test.each<[Breaks, string]>([
  [movesBack, "touch: a shorter idle timeout does not move the deadline back"],
  [createsOnRotated, "create: an id that was rotated away is refused while it is remembered"],
  [
    rotatesOntoRotated,
    "rotate again: an id that was rotated away is refused, its own session's and another's",
  ],
  [createsInSilence, "create: a session that ran out is told to one caller only"],
  [listsTwice, "list: a session that ran out is told to one caller only"],
  [countsByClock, "revokeUser: each one makes the generation grow, however many run at once"],
  [closesSessions, "close: the sessions stay, for every other server"],
])("%o is rejected, by one check alone", async (breaks, promise) => {
  const failed = await failures(async () => {
    const clock = new ManualClock();
    const store = brokenStore(breaks, clock);
    return { store, other: store, elapse: async (ms) => clock.advance(ms), close: async () => {} };
  });
  expect(failed).toEqual([promise]);
});

/** The promises that a store breaks. */
async function failures(open: () => Promise<StoreHarness>): Promise<readonly string[]> {
  const failed: string[] = [];
  const checks: { readonly name: string; readonly run: () => Promise<void> }[] = [];
  let chapter = "";
  const runner = {
    describe: (name: string, body: () => void) => {
      chapter = name.replace(/^.*?: /, "");
      body();
    },
    test: (name: string, run: () => Promise<void>) => {
      checks.push({ name: `${chapter}: ${name}`, run });
    },
  };
  storeConformance(runner, "naive", open);
  for (const { name, run } of checks) await run().catch(() => failed.push(name));
  return failed;
}

async function open(make: (redis: Resp, prefix: string) => SessionStore): Promise<StoreHarness> {
  const [first, second] = connections;
  if (first === undefined || second === undefined) throw new Error("two connections were opened");
  const prefix = `naive${prefixes++}:`;
  const { elapse } = keyspace([first], prefix);
  return { store: make(first, prefix), other: make(second, prefix), elapse, close: async () => {} };
}
