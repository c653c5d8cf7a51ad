/**
 * Redis is held up for 3 s by a command of somebody else's, and then does what has piled up. Promise:
 * every call answers within 250 ms, a write that was reported as unknown is applied once or not at all,
 * and all is well within 0.5 s of the end. Asserted with twice the slack. A client alone waits to the end, both of them.
 */
import { connect } from "latchkey/redis";
import { expect, test } from "vitest";
import { openAlone } from "../support/alone.ts";
import { startCounted } from "../support/counted-writes.ts";
import { slowest, tally } from "../support/load.ts";
import { startRedis } from "../support/redis-server.ts";
import { connectResp } from "../support/resp.ts";
import { LIBRARIES } from "../support/topologies.ts";
import { until } from "../support/until.ts";

const ANSWER_LIMIT_MS = 2 * 250;
const RECOVERY_LIMIT_MS = 2 * 500;
const HELD_UP_S = 3;

test.each(LIBRARIES)("%s: no write is applied twice", async (library) => {
  const redis = await startRedis({ args: ["--enable-debug-command", "yes"] });
  const resp = await connectResp(redis.port);
  const driver = await connect(redis.url, { library });
  const alone = await openAlone(library, redis.port);
  const load = await startCounted(driver);
  await until(() => load.answers.length > 50);
  expect(Object.keys(tally(load.answers)).sort()).toEqual(["found", "written"]);

  const hurt = load.answers.length;
  const held = resp.command("DEBUG", "SLEEP", String(HELD_UP_S));
  // Not before Redis is at it: what it has read already, it answers.
  const start = performance.now();
  await until(() => performance.now() - start > 100);
  const waiting = alone.ask();
  await held;
  const end = performance.now();
  await until(async () => (await load.read().catch(() => "")) === "found");
  const recovery = performance.now() - end;
  await load.stop();

  const waited = await waiting;
  const { applied, not } = await load.unknown(resp);
  const answers = load.answers.slice(hurt);
  console.log(
    `${library}, held up for ${HELD_UP_S} s: ${JSON.stringify(tally(answers))}, slowest ` +
      `${slowest(answers).toFixed()} ms, the client alone ${waited.toFixed()} ms; of the unknown ` +
      `writes ${applied} applied and ${not} not, recovered in ${recovery.toFixed()} ms`,
  );
  expect(Object.keys(tally(answers)).sort()).toEqual(["found", "store-unavailable", "written"]);
  expect(slowest(answers)).toBeLessThan(ANSWER_LIMIT_MS);
  expect(recovery).toBeLessThan(RECOVERY_LIMIT_MS);
  expect(waited).toBeGreaterThan((HELD_UP_S * 1_000) / 2);
  alone.end();
  await driver.close();
  resp.close();
  await redis.stop();
});
