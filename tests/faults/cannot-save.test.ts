/**
 * Redis cannot save to its disk and refuses writes. Promise: sessions are verified, logins and logouts
 * are 503 and change nothing, and all is as before once it can save again. Whoever takes a refused write
 * for a broken connection, or a new connection for unfit because of it, answers 503 to everybody.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { login, logout, postLogin, profile } from "../support/http.ts";
import { startRedis, type TestRedis } from "../support/redis-server.ts";
import { connectResp, type Resp } from "../support/resp.ts";
import { breakSaving, mendSaving } from "../support/saving.ts";
import { startServer, type TestServer } from "../support/server.ts";

let redis: TestRedis;
let resp: Resp;
let server: TestServer;

beforeAll(async () => {
  redis = await startRedis();
  resp = await connectResp(redis.port);
  server = await startServer({ env: { REDIS_URL: redis.url } });
});

afterAll(async () => {
  await server?.stop();
  resp?.close();
  await redis?.stop();
});

test("cannot save: verify 200, logout 503, login 503; once it can: logout 204, login 200", async () => {
  const id = await login(server, "ada");
  await breakSaving(resp);
  const before = await resp.command("KEYS", "*");

  const refused = await postLogin(server, { username: "eve" });
  expect(refused.status).toBe(503);
  expect(refused.headers.get("retry-after")).toBe("1");
  expect(refused.headers.getSetCookie()).toEqual([]);
  expect(await refused.json()).toMatchObject({ code: "store_unavailable" });
  const kept = await logout(server, id);
  expect(kept.status).toBe(503);
  expect(await kept.json()).toMatchObject({ code: "not_revoked" });
  const verified = await profile(server, id);
  expect(verified.status).toBe(200);
  expect(verified.headers.getSetCookie()).toEqual([]);
  const after = await resp.command("KEYS", "*");
  expect([...(after as string[])].sort()).toEqual([...(before as string[])].sort());

  await mendSaving(resp);
  expect((await profile(server, id)).status).toBe(200);
  expect((await postLogin(server, { username: "eve" })).status).toBe(200);
  expect((await logout(server, id)).status).toBe(204);
  expect((await profile(server, id)).status).toBe(401);
});
