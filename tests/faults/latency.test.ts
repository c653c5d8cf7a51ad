/**
 * Every reply is late. Promise: each call answers within 250 ms, no write is applied twice, and
 *
 * - at 400 ms the connection is slow and stays; all is well 0.5 s after the replies are in time again;
 * - at 2 s it is dead, and given up after 750 ms. A new one is tried again and again, for 1 s each and
 *   up to 250 ms apart; so all is well 1.25 s after the replies are in time again.
 *
 * Asserted with twice the slack. A client alone waits for as long as the replies are late, both of them.
 */
import { connect } from "latchkey/redis";
import { expect, test } from "vitest";
import { openAlone } from "../support/alone.ts";
import { startCounted } from "../support/counted-writes.ts";
import { slowest, tally } from "../support/load.ts";
import { startProxied } from "../support/proxied.ts";
import { cases } from "../support/rounds.ts";
import { KINDS } from "../support/topologies.ts";
import { until } from "../support/until.ts";

const ANSWER_LIMIT_MS = 2 * 250;
const GIVEN_UP_LIMIT_MS = 2 * 750;
/** Long enough for one connection to be given up and another to be tried in vain. */
const FAULT_MS = 2_500;
/** A timer may be early by so much. */
const TIMER_MS = 5;

const KINDS_OF_LATE = {
  slow: { lateMs: 400, isKept: true, recoveryLimitMs: 2 * 500 },
  dead: { lateMs: 2_000, isKept: false, recoveryLimitMs: 2 * 1_250 },
} as const;
const FIRST = [
  ["redis", "single", "dead"],
  ["ioredis", "single", "dead"],
  ["redis", "cluster", "slow"],
  ["ioredis", "single", "slow"],
] as const;
const ALL = KINDS.flatMap(([library, topology]) =>
  (["dead", "slow"] as const).map((kind) => [library, topology, kind] as const),
);
const CASES = [
  ...FIRST,
  ...ALL.filter((one) => !FIRST.some((first) => first.every((part, i) => part === one[i]))),
];

test.each(cases(CASES, FIRST.length))("%s, %s: %s", async (library, topology, kind) => {
  const { lateMs, isKept, recoveryLimitMs } = KINDS_OF_LATE[kind];
  const place = await startProxied(topology);
  const driver = await connect(place.url, { library });
  const alone = await openAlone(library, place.proxy.port);
  const load = await startCounted(driver);
  await until(() => load.answers.length > 50);
  expect(Object.keys(tally(load.answers)).sort()).toEqual(["found", "written"]);

  const { opened } = place.proxy;
  const hurt = load.answers.length;
  const start = performance.now();
  place.proxy.latencyMs = lateMs;
  const waiting = alone.ask();
  let givenUp = Number.POSITIVE_INFINITY;
  await until(() => {
    const now = performance.now() - start;
    if (place.proxy.opened > opened) givenUp = Math.min(givenUp, now);
    return now > FAULT_MS;
  });
  place.proxy.latencyMs = 0;
  const end = performance.now();
  await until(async () => (await load.read().catch(() => "")) === "found");
  const recovery = performance.now() - end;
  await load.stop();

  const waited = await waiting;
  const { applied, not } = await load.unknown(place.resp);
  const answers = load.answers.slice(hurt);
  console.log(
    `${library}, ${topology}, late by ${lateMs} ms: ${JSON.stringify(tally(answers))}, slowest ` +
      `${slowest(answers).toFixed()} ms, the client alone ${waited.toFixed()} ms; of the unknown ` +
      `writes ${applied} applied and ${not} not; ` +
      `connection ${isKept ? "kept" : `given up after ${givenUp.toFixed()} ms`}, ` +
      `recovered in ${recovery.toFixed()} ms`,
  );
  expect(waited).toBeGreaterThan(lateMs - TIMER_MS);
  expect(Object.keys(tally(answers)).sort()).toEqual(["found", "store-unavailable", "written"]);
  expect(slowest(answers)).toBeLessThan(ANSWER_LIMIT_MS);
  if (isKept) expect(place.proxy.opened).toBe(opened);
  else expect(givenUp).toBeLessThan(GIVEN_UP_LIMIT_MS);
  expect(recovery).toBeLessThan(recoveryLimitMs);
  alone.end();
  await driver.close();
  await place.stop();
});
