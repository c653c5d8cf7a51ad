/**
 * Whoever brought a client closes it while Redis hangs and still owes us answers. Promise: it stays
 * closed. Nothing is thrown where nobody catches it, and no connection is made behind its owner's back.
 */
import { driverFor, type RedisClient } from "latchkey/redis";
import { expect, test } from "vitest";
import { startProxied } from "../support/proxied.ts";
import { until } from "../support/until.ts";

const CALL_LIMIT_MS = 250;
/** By then a connection that owes an answer has been given up. */
const GIVEN_UP_MS = 3 * CALL_LIMIT_MS + 250;

interface Brought {
  readonly client: RedisClient;
  close(): void;
}

const CLIENTS: Record<string, (port: number) => Promise<Brought>> = {
  redis: async (port) => nodeRedis(await import("redis"), port),
  // Of another version, its types are others.
  "the oldest redis": async (port) => nodeRedis(Object(await import("redis-oldest")), port),
  async ioredis(port) {
    const { Redis } = await import("ioredis");
    const client = new Redis({
      ...{ port, enableOfflineQueue: false, lazyConnect: true },
      ...{ autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0 },
    });
    client.on("error", () => {});
    await client.connect();
    return { client, close: () => client.disconnect() };
  },
};

test.each(Object.entries(CLIENTS))("%s stays closed", async (_name, open) => {
  const place = await startProxied("single");
  const { client, close } = await open(place.proxy.port);
  const driver = driverFor(client, CALL_LIMIT_MS);
  expect(await driver.command("", ["PING"])).toBe("PONG");
  const { opened } = place.proxy;

  place.proxy.isBlackhole = true;
  const start = performance.now();
  const hangs = driver.command("", ["PING"]);
  await expect(hangs).rejects.toMatchObject({ code: "store-unavailable" });
  close();
  await until(() => performance.now() - start > GIVEN_UP_MS);
  place.proxy.isBlackhole = false;
  await expect(driver.command("", ["PING"])).rejects.toMatchObject({ code: "store-unavailable" });
  expect(place.proxy.opened).toBe(opened);
  await place.stop();
});

type NodeRedis = Pick<typeof import("redis"), "createClient">;

async function nodeRedis({ createClient }: NodeRedis, port: number): Promise<Brought> {
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  client.on("error", () => {});
  await client.connect();
  return { client, close: () => void client.close().catch(() => {}) };
}
