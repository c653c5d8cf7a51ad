/**
 * The oldest node-redis that may be installed with us. Promise: Redis may go and come back as with the
 * newest, and nothing is thrown where nobody catches it. Before 6.3, to destroy a client that has closed
 * by itself throws, which the last test shows; in a timer or a promise of ours it would end the process,
 * and vitest fails for it.
 */
import { connect } from "latchkey/redis";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Proxied, startProxied } from "../support/proxied.ts";
import { until } from "../support/until.ts";

vi.mock("redis", () => import("redis-oldest"));

const RECOVERY_LIMIT_MS = 2 * 1_000;

let place: Proxied;

beforeEach(async () => {
  place = await startProxied("single");
});
afterEach(async () => place?.stop());

test("killed and back, a reply that is none, given up while it connects", async () => {
  const problems: string[] = [];
  const onChange = (problem: Error | undefined): unknown => problems.push(problem?.message ?? "");
  const driver = await connect(place.redis.url, { library: "redis", onChange });
  const ping = async (): Promise<unknown> => driver.command("", ["PING"]).catch(({ code }) => code);
  expect(await ping()).toBe("PONG");

  await place.redis.kill("SIGKILL");
  await until(() => problems.some((problem) => problem.includes("ECONNREFUSED")));
  expect(await ping()).toBe("store-unavailable");
  await place.redis.restart();
  const start = performance.now();
  await until(async () => (await ping()) === "PONG");
  const recovery = performance.now() - start;
  console.log(`redis 6.0.0: recovered in ${recovery.toFixed()} ms`);
  expect(recovery).toBeLessThan(RECOVERY_LIMIT_MS);
  await driver.close();

  const wired = await connect(place.url, { library: "redis" });
  const { opened } = place.proxy;
  place.proxy.arm("garbled", { reply: () => Buffer.from("?\r\n") });
  const garbled = wired.command("", ["ECHO", "garbled"]);
  await expect(garbled).rejects.toMatchObject({ code: "store-unavailable" });
  await until(() => place.proxy.opened > opened && place.proxy.open === 1);
  await wired.close();
  await until(() => place.proxy.open === 0);

  place.proxy.isBlackhole = true;
  const silent = connect(place.url, { library: "redis", timeoutMs: 200 });
  await expect(silent).rejects.toMatchObject({ code: "store-unavailable" });
  await until(() => place.proxy.open === 0);
});

test("the rig sees it: one that has closed throws when it is destroyed", async () => {
  const { createClient } = await import("redis");
  const client = createClient({ url: place.redis.url, socket: { reconnectStrategy: false } });
  client.on("error", () => {});
  await client.connect();
  await place.redis.kill("SIGKILL");
  await until(() => !client.isOpen);
  expect(() => client.destroy()).toThrow("closed");
});
