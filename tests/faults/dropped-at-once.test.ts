/**
 * Something before Redis, such as a proxy without a free backend, drops each connection as soon as it
 * has answered once. Promise: it is tried at most 40 times a second, and nothing is left open. Tried at
 * once, as after the loss of a connection that lived, it was 1,300 times. Asserted with twice the slack.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { redisStore } from "latchkey/redis";
import { expect, test } from "vitest";
import { startRedis } from "../support/redis-server.ts";
import { HOUR, login } from "../support/stores.ts";
import { LIBRARIES } from "../support/topologies.ts";
import { until } from "../support/until.ts";

const WATCHED_MS = 2_000;
const TRIES_LIMIT = (2 * 40 * WATCHED_MS) / 1_000;

test.each(LIBRARIES)("%s", async (library) => {
  const redis = await startRedis();
  const open = new Set<Socket>();
  let [dropping, tries] = [false, 0];
  const server = createServer((client) => {
    tries++;
    open.add(client);
    const upstream = connect(redis.port, "127.0.0.1");
    for (const socket of [client, upstream]) socket.on("error", () => {});
    client.on("data", (chunk) => upstream.write(chunk));
    upstream.on("data", (chunk) => {
      client.write(chunk);
      if (dropping) client.destroySoon();
    });
    upstream.on("close", () => client.destroy());
    client.on("close", () => {
      open.delete(client);
      upstream.destroy();
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const store = await redisStore({ url: `redis://127.0.0.1:${port}`, library });
  const sid = await login(store, "ada", HOUR);

  [dropping, tries] = [true, 0];
  for (const socket of open) socket.destroy();
  const start = performance.now();
  await until(() => performance.now() - start > WATCHED_MS);
  const seen = tries;
  dropping = false;
  await until(async () => (await store.load(sid).catch(() => undefined))?.outcome === "found");
  console.log(`${library}: ${seen} connections in ${WATCHED_MS} ms, ${open.size} open afterwards`);
  expect(seen).toBeLessThan(TRIES_LIMIT);
  expect(seen).toBeGreaterThan(0);
  expect(open.size).toBe(1);
  await store.close();
  await until(() => open.size === 0);
  server.close();
  await redis.stop();
});
