/**
 * Redis closes connections that are idle (`timeout`), as many services do. Promise: a connection of ours
 * is not idle, so it stays and no call notices. A client that was brought has no beat of ours, and shows
 * what becomes of one without: it is closed, what is asked meanwhile is store-unavailable at once, and it
 * serves again within 0.5 s, by the client's own reconnecting. Asserted with twice the slack.
 */
import type { RedisDriver } from "latchkey/redis";
import { expect, test } from "vitest";
import { startRedis } from "../support/redis-server.ts";
import { connectResp, type Resp } from "../support/resp.ts";
import { LIBRARIES, openClient, openUrl } from "../support/topologies.ts";
import { until } from "../support/until.ts";

const CALL_LIMIT_MS = 250;
const RECOVERY_LIMIT_MS = 2 * 500;
/** `timeout 1` closes what was idle for 2 s: Redis counts whole seconds. */
const IDLE_MS = 4_000;

test.each(LIBRARIES)(
  "%s: a connection of ours is not closed, a client's is back",
  async (library) => {
    const redis = await startRedis({ args: ["--timeout", "1"] });
    const resp = await connectResp(redis.port);
    const start = performance.now();
    const ours = await openUrl(library, redis.url, CALL_LIMIT_MS);
    expect(await ping(ours.driver)).toBe("PONG");
    const [our = ""] = await clients(resp);
    const brought = await openClient(
      library,
      { topology: "single", url: redis.url },
      CALL_LIMIT_MS,
    );
    expect(await ping(brought.driver)).toBe("PONG");
    const [its = ""] = (await clients(resp)).filter((id) => id !== our);

    let failures = 0;
    await until(async () => !(await clients(resp)).includes(its));
    const closed = performance.now();
    await until(async () => {
      const answer = await ping(brought.driver);
      if (answer === "store-unavailable") failures += 1;
      else expect(answer).toBe("PONG");
      return answer === "PONG";
    });
    const recovery = performance.now() - closed;

    // Time has to pass on the clock of Redis. Asking all along also keeps our own eye on it open.
    await until(async () => {
      expect(await clients(resp)).toContain(our);
      return performance.now() - start > IDLE_MS;
    });
    expect(await ping(ours.driver)).toBe("PONG");
    expect(await clients(resp)).toContain(our);
    console.log(
      `${library}, timeout 1: ours stays; the client's was closed after ` +
        `${(closed - start).toFixed()} ms, ${failures} failed, back in ${recovery.toFixed()} ms`,
    );
    expect(recovery).toBeLessThan(RECOVERY_LIMIT_MS);
    await ours.close();
    await brought.close();
    resp.close();
    await redis.stop();
  },
);

async function ping(driver: RedisDriver): Promise<string> {
  const start = performance.now();
  const answer = await driver.command("", ["PING"]).then(String, (error) => String(error.code));
  expect(performance.now() - start).toBeLessThan(2 * CALL_LIMIT_MS);
  return answer;
}

/** The ids of the connections to this Redis but the one that asks. */
async function clients(resp: Resp): Promise<string[]> {
  const own = String(await resp.command("CLIENT", "ID"));
  const list = String(await resp.command("CLIENT", "LIST"));
  const ids = [...list.matchAll(/^id=(\d+) /gm)].map(([, id = ""]) => id);
  return ids.filter((id) => id !== own);
}
