/**
 * The primary behind Sentinels dies, or freezes and comes back, under load. Promise: no wrong "missing",
 * every call in its time, whole again 3 s after the Sentinels call it down, and a primary that was
 * frozen and comes back is not written to. What was acknowledged and lost is printed.
 */
import { redisStore } from "latchkey/redis";
import { expect, test } from "vitest";
import { failOver } from "../support/failover.ts";
import { startSentinel } from "../support/redis-sentinel.ts";
import { respOnce } from "../support/resp.ts";
import { cases } from "../support/rounds.ts";
import { login } from "../support/stores.ts";
import { until } from "../support/until.ts";

const DOWN_AFTER_MS = 1_000;
const RECOVERY_LIMIT_MS = 2 * (DOWN_AFTER_MS + 3_000);

const CASES = [
  ["redis", "SIGKILL"],
  ["ioredis", "SIGSTOP"],
  ["ioredis", "SIGKILL"],
  ["redis", "SIGSTOP"],
] as const;

test.each(cases(CASES, 2))("%s, %s", async (library, signal) => {
  const place = await startSentinel({ replicas: 2, downAfterMs: DOWN_AFTER_MS });
  const store = await redisStore({ url: place.url, library });
  const primary = place.nodes.find(({ port }) => place.nodes[0]?.port === port);
  const oldPort = primary?.port ?? 0;
  const account = await failOver(
    store,
    async () => {
      await until(async () => Number(await respOnce(oldPort, "WAIT", "2", "1000")) === 2);
    },
    async () => primary?.kill(signal),
  );
  console.log(`${library}, Sentinel, ${signal}: ${account.line}`);
  expect(account.gapMs).toBeLessThan(RECOVERY_LIMIT_MS);
  expect(await place.primaryPort()).not.toBe(oldPort);

  if (signal === "SIGSTOP") {
    await primary?.kill("SIGCONT");
    const sids = await Promise.all(Array.from({ length: 50 }, (_, i) => login(store, `late${i}`)));
    await until(async () =>
      String(await respOnce(oldPort, "INFO", "replication")).includes("role:slave"),
    );
    for (const sid of sids) expect(await store.load(sid)).toMatchObject({ outcome: "found" });
  }
  await store.close();
  await place.stop();
});
