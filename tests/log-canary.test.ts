/**
 * LOG-1: everything that a running server prints, searched for every credential it gave out or was
 * sent, while all goes well and while Redis fails. Each place where a token can be gets one.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { credential, json, login, logout, postLogin, profile } from "./support/http.ts";
import { rawRequest } from "./support/raw-http.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { respOnce } from "./support/resp.ts";
import { startServer, type TestServer } from "./support/server.ts";
import { until } from "./support/until.ts";

let redis: TestRedis;
let server: TestServer;

beforeAll(async () => {
  redis = await startRedis();
  server = await startServer({ env: { REDIS_URL: redis.url, LOG_LEVEL: "trace" } });
});

afterAll(async () => {
  await server?.stop();
  await redis?.stop();
});

test("LOG-1: no credential, password or bad input is printed", async () => {
  const secrets = await everyWay(server);
  // Redis refuses the write, and its error repeats what it was sent.
  await respOnce(redis.port, "CONFIG", "SET", "min-replicas-to-write", "3");
  expect((await postLogin(server, { username: "canary-user-write" })).status).toBe(503);
  await respOnce(redis.port, "CONFIG", "SET", "min-replicas-to-write", "0");
  const lost = await login(server, "ada");
  await redis.stop();
  expect((await profile(server, lost)).status).toBe(503);
  expect((await logout(server, lost)).status).toBe(503);
  // The log is written in the background.
  await until(() => server.output().includes("not_revoked"));
  const printed = server.output();
  // The failures did leave lines: the search below is not one in nothing.
  expect(printed).toContain("store_unavailable");
  expect(printed).toContain("not_revoked");
  for (const secret of [...secrets, lost]) expect(printed).not.toContain(secret);
});

/** Uses a server in every way that carries something secret; resolves to all of that. */
async function everyWay(to: TestServer): Promise<string[]> {
  const password = "canary-password-1";
  const first = await json(await postLogin(to, { username: "ada", password }));
  const header = String(first["sessionId"]);
  await profile(to, header);
  const browser = await postLogin(to, { username: "ada" }, { "sec-fetch-site": "same-origin" });
  const cookie = /sid=([^;]+)/.exec(browser.headers.get("set-cookie") ?? "")?.[1] ?? "";
  expect(cookie).toHaveLength(24);
  await fetch(`${to.url}/profile`, { headers: { cookie: `sid=${cookie}` } });
  await fetch(`${to.url}/auth/session`, { headers: { authorization: `Bearer ${header}` } });
  await fetch(`${to.url}/auth/session?token=${header}`, {
    headers: credential("canary-malformed"),
  });
  await rawRequest(to.port, [
    "GET /canary-path HTTP/1.1",
    "x-session-id: canary-doubled",
    `x-session-id: ${cookie}`,
  ]);
  await rawRequest(
    to.port,
    ["POST /auth/login HTTP/1.1", "Content-Type: application/json"],
    `{"password":"canary-body`,
  );
  await logout(to, header);
  await profile(to, header);
  return [password, header, cookie, "canary-"];
}
