/**
 * Somebody fails over by hand. The old primary goes on taking writes for some ten seconds, so nothing
 * fails and all of it would be lost. Promise: it is left within 1 s of the Sentinels naming another.
 */
import { connect } from "latchkey/redis";
import { expect, test } from "vitest";
import { startSentinel } from "../support/redis-sentinel.ts";
import { respOnce } from "../support/resp.ts";
import { LIBRARIES } from "../support/topologies.ts";
import { until } from "../support/until.ts";

const LEAVE_LIMIT_MS = 2 * 1_000;

test("SENTINEL FAILOVER: the old primary is left for the new one", async () => {
  const place = await startSentinel({ replicas: 1 });
  const drivers = await Promise.all(LIBRARIES.map((library) => connect(place.url, { library })));
  const old = place.nodes[0]?.port ?? 0;
  await respOnce(place.sentinelPorts[0] ?? 0, "SENTINEL", "FAILOVER", place.master);
  await until(async () => (await place.primaryPort()) !== old);
  const start = performance.now();
  const now = await place.primaryPort();
  for (const [i, driver] of drivers.entries()) {
    const key = `after${i}`;
    await until(async () => {
      await driver.command(key, ["SET", key, "1"]).catch(() => {});
      return (await respOnce(now, "EXISTS", key)) === 1;
    });
  }
  const left = performance.now() - start;
  console.log(`SENTINEL FAILOVER: both clients at the new primary after ${left.toFixed()} ms`);
  expect(left).toBeLessThan(LEAVE_LIMIT_MS);
  await Promise.all(drivers.map((driver) => driver.close()));
  await place.stop();
});
