/**
 * Redis is so frozen that the kernel takes no connection for it, and then comes back: the kernel opens
 * what was asked for seconds ago. Promise: a connection that was given up by then is closed at once, so
 * that an outage leaves one connection behind, not one per try. node-redis alone keeps each, for good and
 * without having said who it is, which the last test shows.
 */
import { connect as dial } from "node:net";
import { connect } from "latchkey/redis";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startRedis, type TestRedis } from "../support/redis-server.ts";
import { connectResp, type Resp } from "../support/resp.ts";
import { LIBRARIES } from "../support/topologies.ts";
import { until } from "../support/until.ts";

/** One try has been given up, after 1 s, and another one begun. */
const AWAY_MS = 1_500;
/** Linux asks 1, 3 and 7 s after the first time; by now it has asked again for each of the tries. */
const ASKED_AGAIN_MS = 4_500;
const WAITING_MAX = 50;

let redis: TestRedis;
let resp: Resp;
let empty: () => void;

beforeEach(async () => {
  redis = await startRedis({ args: ["--tcp-backlog", "1"] });
  resp = await connectResp(redis.port);
  await redis.kill("SIGSTOP");
  empty = await fill(redis.port);
});

afterEach(async () => {
  resp?.close();
  await redis?.stop();
});

test.each(LIBRARIES)("%s: an outage leaves one connection", async (library) => {
  const start = performance.now();
  const opening = connect(redis.url, { library, timeoutMs: 30_000 });
  await until(() => performance.now() - start > AWAY_MS);
  empty();
  await redis.kill("SIGCONT");
  const driver = await opening;
  await until(() => performance.now() - start > ASKED_AGAIN_MS);
  const left = await others();
  console.log(`${library}: ${left.length} connections after the outage`);
  expect(left).toHaveLength(1);
  await driver.close();
  await until(async () => (await others()).length === 0);
});

test("the rig sees one that is kept: node-redis, destroyed while it connects", async () => {
  const { createClient } = await import("redis");
  const client = createClient({ url: redis.url });
  client.on("error", () => {});
  const connected = client.connect().catch(() => {});
  await until(() => client.isOpen);
  client.destroy();
  empty();
  await redis.kill("SIGCONT");
  await connected;
  const start = performance.now();
  await until(() => performance.now() - start > AWAY_MS);
  expect(await others()).toHaveLength(1);
  client.destroy();
});

/** The connections to Redis but the one that asks. */
async function others(): Promise<string[]> {
  const own = String(await resp.command("CLIENT", "ID"));
  const list = String(await resp.command("CLIENT", "LIST"));
  return list.split("\n").filter((line) => line !== "" && !line.startsWith(`id=${own} `));
}

/** Takes all the places in which connections wait to be accepted. What it gives frees them. */
async function fill(port: number): Promise<() => void> {
  const sockets: ReturnType<typeof dial>[] = [];
  for (;;) {
    const socket = dial(port, "127.0.0.1").on("error", () => {});
    sockets.push(socket);
    const start = performance.now();
    await until(() => !socket.connecting || performance.now() - start > 100);
    if (socket.connecting) break;
    expect(sockets.length).toBeLessThan(WAITING_MAX);
  }
  return () => {
    for (const socket of sockets) socket.destroy();
  };
}
