/**
 * How long an open page goes on after its session was ended on another server. Promise: with the near
 * cache on it hears `ended` within 1 s of the acknowledgement, and within 1.5 s if the connection that
 * tells the cache has gone silent without a word. Asserted with twice the slack.
 */
import { expect, test } from "vitest";
import { listen } from "../support/event-stream.ts";
import { credential, login, logout } from "../support/http.ts";
import { startProxied } from "../support/proxied.ts";
import { startRedis } from "../support/redis-server.ts";
import { rounds } from "../support/rounds.ts";
import { startServer, type TestServer } from "../support/server.ts";

const PROMISE_MS = 1_000;
const SILENT_PROMISE_MS = 1_500;
/** Other pages that are open meanwhile, each with a session of its own. */
const OTHERS = 200;

test("a logout elsewhere is heard in time", async () => {
  const redis = await startRedis();
  const env = { REDIS_URL: redis.url };
  const [here, there] = await Promise.all([startServer({ env }), startServer({ env })]);
  const others = [];
  for (let i = 0; i < OTHERS; i++) others.push((await open(here, `user${i}`)).stream);
  const late: number[] = [];
  for (let round = 0; round < rounds(100); round++) late.push(await heardAfter(here, there));
  report(`with ${OTHERS} other streams`, late);
  expect(Math.max(...late)).toBeLessThan(2 * PROMISE_MS);
  for (const stream of others) {
    expect(stream.end()).toBeUndefined();
    stream.leave();
  }
  await Promise.all([here.stop(), there.stop()]);
  await redis.stop();
});

// A stream that trusts the near cache for longer than its lease would never hear of it.
test("also where the near cache hears nothing", async () => {
  const place = await startProxied("single");
  const direct = `redis://127.0.0.1:${place.redis.port}`;
  const there = await startServer({ env: { REDIS_URL: direct } });
  const late: number[] = [];
  for (let round = 0; round < rounds(20); round++) {
    // A new one, which has not noticed a silence yet.
    const here = await startServer({ env: { REDIS_URL: place.url } });
    late.push(
      await heardAfter(here, there, () => {
        // What the tracking connection says; the answers of scripts have neither word.
        place.proxy.mangle = (chunk) =>
          chunk.includes("master") || chunk.includes("invalidate") ? undefined : chunk;
      }),
    );
    place.proxy.mangle = undefined;
    await here.stop();
  }
  report("silent", late);
  expect(Math.max(...late)).toBeLessThan(2 * SILENT_PROMISE_MS);
  await there.stop();
  await place.stop();
});

async function open(server: TestServer, user: string) {
  const id = await login(server, user);
  return { id, stream: await listen(`${server.url}/auth/events`, credential(id)) };
}

/** How long after the acknowledgement of a logout `there` a stream `here` hears of it. */
async function heardAfter(
  here: TestServer,
  there: TestServer,
  first: () => void = () => {},
): Promise<number> {
  const { id, stream } = await open(here, "ada");
  first();
  expect((await logout(there, id)).status).toBe(204);
  const acknowledged = performance.now();
  expect((await stream.ended()).at(-1)?.event).toBe("ended");
  return performance.now() - acknowledged;
}

function report(what: string, late: readonly number[]): void {
  console.log(
    `ENDED elsewhere, ${what}: heard ${Math.min(...late).toFixed()} to ` +
      `${Math.max(...late).toFixed()} ms after the acknowledgement, ${late.length} rounds`,
  );
}
