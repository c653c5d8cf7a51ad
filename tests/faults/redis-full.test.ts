/**
 * Redis is full. Promise: sessions are verified and logouts work, logins are 503, and all is as before
 * once there is room.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { login, logout, postLogin, profile } from "../support/http.ts";
import { startRedis, type TestRedis } from "../support/redis-server.ts";
import { respOnce } from "../support/resp.ts";
import { startServer, type TestServer } from "../support/server.ts";

let redis: TestRedis;
let server: TestServer;

beforeAll(async () => {
  redis = await startRedis({ args: ["--maxmemory-policy", "noeviction"] });
  server = await startServer({ env: { REDIS_URL: redis.url } });
});

afterAll(async () => {
  await server?.stop();
  await redis?.stop();
});

test("full: verify 200, logout 204, login 503; with room again: login 200", async () => {
  const stays = await login(server, "ada");
  const goes = await login(server, "bob");
  await respOnce(redis.port, "CONFIG", "SET", "maxmemory", "1");
  const refused = await postLogin(server, { username: "eve" });
  expect(refused.status).toBe(503);
  expect(await refused.json()).toMatchObject({ code: "store_unavailable" });
  expect((await profile(server, stays)).status).toBe(200);
  expect((await logout(server, goes)).status).toBe(204);
  expect((await profile(server, goes)).status).toBe(401);
  expect(await respOnce(redis.port, "EXISTS", `session:${goes}`)).toBe(0);
  await respOnce(redis.port, "CONFIG", "SET", "maxmemory", "0");
  expect((await postLogin(server, { username: "eve" })).status).toBe(200);
});
