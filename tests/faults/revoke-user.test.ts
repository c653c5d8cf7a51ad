/**
 * A user with 10,000 sessions is logged out everywhere. Promise: all are dead at one moment, and no
 * script holds Redis for 5 ms, which would make everybody else wait. Asserted with twice the slack.
 */
import type { SessionId } from "latchkey";
import { redisStore } from "latchkey/redis";
import { expect, test } from "vitest";
import { keyspace } from "../support/redis-keyspace.ts";
import { startRedis } from "../support/redis-server.ts";
import { connectResp } from "../support/resp.ts";
import { HASH, HOUR, login } from "../support/stores.ts";

const SCRIPT_LIMIT_US = 2 * 5_000;
const SESSIONS = 10_000;
const ABREAST = 100;

// Removing them in the script that ends them holds Redis for some 30 ms.
test("all are out before the first batch is cleared away, and nobody waits", async () => {
  const redis = await startRedis();
  const resp = await connectResp(redis.port);
  const prefix = "many:";
  const store = await redisStore({ url: redis.url, prefix, callTimeout: "60s" });
  const sids: SessionId[] = [];
  for (let i = 0; i < SESSIONS / ABREAST; i++) {
    sids.push(
      ...(await Promise.all(
        Array.from({ length: ABREAST }, () => login(store, "ada", HOUR, HASH)),
      )),
    );
  }
  await resp.command("CONFIG", "SET", "slowlog-log-slower-than", "0");
  await resp.command("CONFIG", "SET", "slowlog-max-len", "1000000");
  await resp.command("SLOWLOG", "RESET");

  const revoking = store.revokeUser("ada");
  // The commands of one connection run in order: these run right behind the barrier.
  const sample = sids.filter((_, i) => i % ABREAST === 0);
  const loads = await Promise.all(sample.map((sid) => store.load(sid)));
  expect(loads.every(({ outcome }) => outcome === "missing")).toBe(true);
  expect(await revoking).toBe(SESSIONS);

  const log = await resp.command("SLOWLOG", "GET", "-1");
  const times = (Array.isArray(log) ? log : []).map((entry) =>
    Number(Array.isArray(entry) && entry[2]),
  );
  const slowest = Math.max(...times);
  console.log(`revokeUser of ${SESSIONS}: ${times.length} commands, the slowest ${slowest} µs`);
  expect(times.length).toBeGreaterThan(50);
  expect(slowest).toBeLessThan(SCRIPT_LIMIT_US);
  const left = await keyspace([resp], prefix).keys();
  expect(left.filter((key) => !key.endsWith(":barrier"))).toEqual([]);
  await store.close();
  resp.close();
  await redis.stop();
});
