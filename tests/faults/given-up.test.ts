/**
 * connect() gives up while Redis still owes it answers, which then come. Promise: it says so in time, and
 * what the answers lead to is not opened any more: no connection is left that nobody could close. A
 * client alone shows what one that is kept looks like.
 */
import { connect } from "latchkey/redis";
import { expect, test } from "vitest";
import { openAlone } from "../support/alone.ts";
import { startProxied } from "../support/proxied.ts";
import { KINDS } from "../support/topologies.ts";
import { until } from "../support/until.ts";

const GIVEN_UP_MS = 200;
const LATE_MS = 400;
/** Answers that lead to another: to the server or who serves what, its greeting, and the first look. */
const ANSWERS_MAX = 4;

/** Sentinels have connections of their own through the proxy. */
const CASES = KINDS.filter(([, topology]) => topology !== "sentinel");

test.each(CASES)("%s, %s: nothing is left open", async (library, topology) => {
  const place = await startProxied(topology);
  const alone = await openAlone(library, place.proxy.port);
  expect(place.proxy.open).toBe(1);
  alone.end();
  await until(() => place.proxy.open === 0);

  place.proxy.latencyMs = LATE_MS;
  const start = performance.now();
  const opening = connect(place.url, { library, timeoutMs: GIVEN_UP_MS });
  await expect(opening).rejects.toMatchObject({ code: "store-unavailable" });
  const waited = performance.now() - start;
  // All that is late arrives, and whatever follows from it.
  await until(() => performance.now() - start > ANSWERS_MAX * LATE_MS);
  const left = place.proxy.open;
  console.log(`${library}, ${topology}: gave up after ${waited.toFixed()} ms, ${left} left open`);
  expect(waited).toBeLessThan(2 * GIVEN_UP_MS);
  expect(left).toBe(0);
  await place.stop();
});
