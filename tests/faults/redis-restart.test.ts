/**
 * Redis restarts under the auth server. Promise: 503 while it is away or loading, then with its
 * append-only file all sessions are there, and none that was logged out; empty, everybody gets 401,
 * and nothing that was under way brings a session back.
 */
import { afterEach, expect, test } from "vitest";
import { login, logout, profile } from "../support/http.ts";
import { startRedis, type TestRedis } from "../support/redis-server.ts";
import { respOnce } from "../support/resp.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { until } from "../support/until.ts";

const RECOVERY_LIMIT_MS = 2 * 1_000;
/** 5,000 keys at 200 µs each: about 1 s of LOADING. */
const SLOW_LOAD = ["--key-load-delay", "200"];
const KEYS = 5_000;

let redis: TestRedis;
let server: TestServer;

afterEach(async () => {
  await server?.stop();
  await redis?.stop();
});

test("with its append-only file: all sessions are back, and no other", async () => {
  const args = ["--appendonly", "yes", "--appendfsync", "always", ...SLOW_LOAD];
  redis = await startRedis({ args });
  server = await startServer({ env: { REDIS_URL: redis.url } });
  const stays = await Promise.all(Array.from({ length: 20 }, (_, i) => login(server, `user${i}`)));
  const gone = await login(server, "gone");
  expect((await logout(server, gone)).status).toBe(204);
  const fill = "for i = 1, tonumber(ARGV[1]) do redis.call('SET', 'fill:' .. i, 'x') end";
  await respOnce(redis.port, "EVAL", fill, "0", String(KEYS));
  await redis.kill("SIGKILL");
  const seen = new Set<number>([(await profile(server, stays[0])).status]);
  // It is ready when it has loaded, so this watches it all the way.
  const restarted = redis.restart();
  let isBack = false;
  void restarted.then(() => {
    isBack = true;
  });
  await until(async () => {
    seen.add((await profile(server, stays[0])).status);
    return isBack;
  });
  const start = performance.now();
  await until(async () => (await profile(server, stays[0])).status === 200);
  const recovery = performance.now() - start;
  for (const id of stays) expect((await profile(server, id)).status).toBe(200);
  expect((await profile(server, gone)).status).toBe(401);
  expect([...seen].filter((status) => status !== 200)).toEqual([503]);
  expect(recovery).toBeLessThan(RECOVERY_LIMIT_MS);
  console.log(`restart with AOF: only 503 before, recovered in ${recovery.toFixed()} ms`);
});

test("empty: 401, and nothing is revived", async () => {
  redis = await startRedis();
  server = await startServer({ env: { REDIS_URL: redis.url } });
  const ids = await Promise.all(Array.from({ length: 20 }, (_, i) => login(server, `user${i}`)));
  await redis.kill("SIGKILL");
  const during = await Promise.all(ids.map((id) => logout(server, id)));
  expect(new Set(during.map(({ status }) => status))).toEqual(new Set([503]));
  await redis.restart();
  await until(async () => (await fetch(`${server.url}/readyz`)).status === 200);
  for (const id of ids) expect((await profile(server, id)).status).toBe(401);
  expect(await respOnce(redis.port, "KEYS", "session:*")).toEqual([]);
  const again = await login(server, "user0");
  expect((await profile(server, again)).status).toBe(200);
});
