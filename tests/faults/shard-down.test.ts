/**
 * Primaries without a replica die: nobody serves their slots. Promise: 503 for them, no error carries a
 * session id, and all is well within 2 s of their return, which Redis itself waits then. One of three
 * down means nothing to the others. With two down, the last one has no majority and answers CLUSTERDOWN
 * for its own slots as well.
 */
import { isSessionError, type SessionId } from "latchkey";
import { redisStore } from "latchkey/redis";
import { expect, test } from "vitest";
import { startCluster } from "../support/redis-cluster.ts";
import { cases } from "../support/rounds.ts";
import { HASH, HOUR, login } from "../support/stores.ts";
import { until } from "../support/until.ts";

const ANSWER_LIMIT_MS = 2 * 250;
const RECOVERY_LIMIT_MS = 2 * 2_000;
const SETTINGS = [
  ...["--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no"],
  // What comes back must still know its slots and its sessions.
  ...["--appendonly", "yes", "--appendfsync", "always"],
];

const CASES = [
  ["redis", 1],
  ["ioredis", 2],
  ["redis", 2],
  ["ioredis", 1],
] as const;

test.each(cases(CASES, 2))("%s: of three shards, down: %d", async (library, down) => {
  const cluster = await startCluster(3, SETTINGS);
  const store = await redisStore({ url: cluster.url, library });
  const sids: SessionId[] = [];
  for (let i = 0; i < 60; i++) sids.push(await login(store, `user${i}`, HOUR, HASH));
  const errors: unknown[] = [];
  const outcomes = async (): Promise<string[]> =>
    Promise.all(
      sids.map(async (sid) => {
        const start = performance.now();
        const load = store.load(sid).then(({ outcome }) => outcome);
        const outcome = await load.catch((error) => {
          errors.push(error);
          return String(error.code);
        });
        expect(performance.now() - start).toBeLessThan(ANSWER_LIMIT_MS);
        return outcome;
      }),
    );
  const lost = cluster.nodes.slice(0, down);
  await Promise.all(lost.map((node) => node.kill("SIGKILL")));
  // Until the others have agreed that it is down, and some more.
  const start = performance.now();
  let seen: string[] = [];
  await until(async () => {
    seen = await outcomes();
    for (const outcome of seen) expect(["found", "store-unavailable"]).toContain(outcome);
    expect(seen).toContain("store-unavailable");
    if (down === 1) expect(seen).toContain("found");
    return performance.now() - start > 3_000;
  });
  const served = seen.filter((outcome) => outcome === "found").length;
  if (down > 1) {
    expect(served).toBe(0);
    expect(errors.some((error) => /CLUSTERDOWN/.test(String(error)))).toBe(true);
  }
  for (const error of errors) {
    expect(isSessionError(error) && error.message).toMatch(/^Redis could not answer/);
    for (const sid of sids) expect(String(error)).not.toContain(sid);
  }
  await Promise.all(lost.map((node) => node.restart()));
  const back = performance.now();
  await until(async () => (await outcomes()).every((outcome) => outcome === "found"));
  const recovery = performance.now() - back;
  console.log(
    `${library}: ${served} of 60 served with ${down} of 3 shards down, back in ${recovery.toFixed()} ms`,
  );
  expect(recovery).toBeLessThan(RECOVERY_LIMIT_MS);
  await store.close();
  await cluster.stop();
});
