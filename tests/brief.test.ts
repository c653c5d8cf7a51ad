/**
 * The brief, walked against the built server by someone who knows only HTTP and RESP. What it
 * asserts is other people's contract: change the server, never this file.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { credential, json, login, logout, postLogin, profile } from "./support/http.ts";
import { startServer, type TestServer } from "./support/server.ts";
import { until } from "./support/until.ts";
import { startWholeRedis, type WholeRedis } from "./support/whole-redis.ts";

/** Other files run this one on other topologies: for the server, only REDIS_URL differs. */
const topology = process.env["LATCHKEY_TEST_TOPOLOGY"];
let redis: WholeRedis;
let resp: Pick<WholeRedis, "command">;
let server: TestServer;

beforeAll(async () => {
  const isOther = topology === "sentinel" || topology === "cluster";
  redis = await startWholeRedis(isOther ? topology : "single");
  resp = redis;
  server = await startServer({ env: { REDIS_URL: redis.url } });
});

afterAll(async () => {
  await server?.stop();
  await redis?.stop();
});

describe("the walk", () => {
  test("start: it says that it runs and that Redis is there", () => {
    expect(server.output()).toContain(`Server running on port ${server.port}`);
    expect(server.output()).toContain("Connected to Redis");
  });

  test("log in: exactly the two fields", async () => {
    const response = await postLogin(server, { username: "tanishkumar" });
    expect(response.status).toBe(200);
    const text = await response.text();
    const [, sessionId] = /^\{"message":"Logged in","sessionId":"([^"]*)"\}$/.exec(text) ?? [];
    expect(sessionId).toMatch(/^[A-Za-z0-9_-]{24}$/);
    // A client that is no browser gets no cookie to carry along unknowingly.
    expect(response.headers.getSetCookie()).toEqual([]);
  });

  test("in redis-cli: the key, the plain name, the hour that counts down", async () => {
    const sessionId = await login(server, "tanishkumar");
    const keys = await resp.command("KEYS", "*");
    expect(keys).toContain(`session:${sessionId}`);
    expect(await resp.command("TYPE", `session:${sessionId}`)).toBe("string");
    expect(await resp.command("GET", `session:${sessionId}`)).toBe("tanishkumar");
    const pttl = Number(await resp.command("PTTL", `session:${sessionId}`));
    expect(pttl).toBeLessThanOrEqual(3_600_000);
    expect(pttl).toBeGreaterThan(3_540_000);
    await until(async () => Number(await resp.command("PTTL", `session:${sessionId}`)) < pttl);
  });

  test("profile: exactly the brief's answer", async () => {
    const sessionId = await login(server, "tanishkumar");
    const response = await profile(server, sessionId);
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(
      '{"username":"tanishkumar","secretData":"This came from protected route"}',
    );
  });

  test("using the session does not prolong it", async () => {
    const sessionId = await login(server, "tanishkumar");
    await resp.command("PEXPIRE", `session:${sessionId}`, "100000");
    await profile(server, sessionId);
    expect(Number(await resp.command("PTTL", `session:${sessionId}`))).toBeLessThanOrEqual(100_000);
  });

  test("expired, deleted, unknown, malformed or none: 401, Invalid session", async () => {
    const expired = await login(server, "tanishkumar");
    await resp.command("PEXPIRE", `session:${expired}`, "0");
    const deleted = await login(server, "tanishkumar");
    await resp.command("DEL", `session:${deleted}`);
    const bodies: unknown[] = [];
    for (const id of [expired, deleted, "A".repeat(24), "short", undefined]) {
      const response = await profile(server, id);
      expect(response.status).toBe(401);
      expect(response.headers.get("content-type")).toContain("application/problem+json");
      const { requestId, ...body } = await json(response);
      expect(requestId).toBe(response.headers.get("x-request-id"));
      bodies.push(body);
    }
    const [first] = bodies;
    expect(first).toEqual({
      title: "Invalid session",
      status: 401,
      code: "invalid_session",
      message: "Invalid session",
    });
    // Always the same: the answer does not tell which of the five it was.
    for (const body of bodies) expect(body).toEqual(first);
  });

  test("Redis' own TTL logs out: a session of one second, really waited for", async () => {
    const brief = await startServer({ env: { REDIS_URL: redis.url, SESSION_TTL_SECONDS: "1" } });
    try {
      const sessionId = await login(brief, "tanishkumar");
      expect((await profile(brief, sessionId)).status).toBe(200);
      await until(async () => (await profile(brief, sessionId)).status === 401);
      expect(await resp.command("GET", `session:${sessionId}`)).toBeNull();
    } finally {
      await brief.stop();
    }
  });

  test("a session that was made by hand is one", async () => {
    await resp.command("SET", "session:handmade-handmade-handma", "bob", "EX", "60");
    const response = await profile(server, "handmade-handmade-handma");
    expect(await response.json()).toMatchObject({ username: "bob" });
  });

  test("log out: 204, the key is gone, and again 204", async () => {
    const sessionId = await login(server, "tanishkumar");
    expect((await logout(server, sessionId)).status).toBe(204);
    expect(await resp.command("EXISTS", `session:${sessionId}`)).toBe(0);
    expect((await profile(server, sessionId)).status).toBe(401);
    expect((await logout(server, sessionId)).status).toBe(204);
    expect((await logout(server, undefined)).status).toBe(204);
  });
});

describe("many servers, one Redis", () => {
  test("a session of one is good at the other, and a logout there ends it here at once", async () => {
    const second = await startServer({ env: { REDIS_URL: redis.url } });
    try {
      const sessionId = await login(server, "tanishkumar");
      expect((await profile(second, sessionId)).status).toBe(200);
      expect((await logout(second, sessionId)).status).toBe(204);
      expect((await profile(server, sessionId)).status).toBe(401);
    } finally {
      await second.stop();
    }
  });

  test.each(["SIGKILL", "SIGTERM"] as const)("a restart after %s loses nothing", async (signal) => {
    const before = await startServer({ env: { REDIS_URL: redis.url } });
    const sessionId = await login(before, "tanishkumar");
    await before.kill(signal);
    const after = await startServer({ env: { REDIS_URL: redis.url } });
    try {
      expect(await (await profile(after, sessionId)).json()).toMatchObject({
        username: "tanishkumar",
      });
    } finally {
      await after.stop();
    }
  });
});

describe("beside the walk", () => {
  test.each([
    ["a bearer token", (id: string) => ({ authorization: `Bearer ${id}` })],
    ["a lower-case scheme", (id: string) => ({ authorization: `bearer ${id}` })],
    ["a cookie", (id: string) => ({ cookie: `theme=dark; sid=${id}` })],
  ])("the session is also found by %s", async (_name, headers) => {
    const sessionId = await login(server, "ada");
    const response = await fetch(`${server.url}/profile`, { headers: headers(sessionId) });
    expect(await response.json()).toMatchObject({ username: "ada" });
  });

  test("what is known of a session: its name, its id, its end", async () => {
    const sessionId = await login(server, "ada");
    const response = await fetch(`${server.url}/auth/session`, { headers: credential(sessionId) });
    const body = await json(response);
    expect(Object.keys(body)).toEqual(["username", "sessionId", "expiresAt", "absoluteExpiresAt"]);
    expect(body).toMatchObject({ username: "ada", sessionId });
    const deadline = Number(await resp.command("PEXPIRETIME", `session:${sessionId}`));
    expect(body["expiresAt"]).toBe(new Date(deadline).toISOString());
  });

  test("a browser gets a cookie that its scripts cannot read, and logging out clears it", async () => {
    const response = await postLogin(
      server,
      { username: "ada" },
      { "sec-fetch-site": "same-origin" },
    );
    const { sessionId } = await json(response);
    expect(response.headers.getSetCookie()).toEqual([
      `sid=${sessionId}; Path=/; HttpOnly; SameSite=Lax`,
    ]);
    const cookie = `sid=${sessionId}`;
    const out = await fetch(`${server.url}/auth/logout`, { method: "POST", headers: { cookie } });
    expect(out.headers.getSetCookie()).toEqual(["sid=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"]);
    expect(await resp.command("EXISTS", `session:${sessionId}`)).toBe(0);
  });

  test("the transport can be asked for", async () => {
    const cookie = await postLogin(server, { username: "ada", transport: "cookie" });
    expect(cookie.headers.getSetCookie()).toHaveLength(1);
    const header = await postLogin(
      server,
      { username: "ada", transport: "header" },
      { "sec-fetch-site": "same-origin" },
    );
    expect(header.headers.getSetCookie()).toEqual([]);
  });

  test("an id that a client brings is never adopted, and dies with the login on top of it", async () => {
    const before = await login(server, "ada");
    const after = await postLogin(server, { username: "ada" }, { "x-session-id": before });
    const { sessionId } = await json(after);
    expect(sessionId).not.toBe(before);
    expect((await profile(server, before)).status).toBe(401);
    const planted = "planted-planted-planted-";
    const response = await postLogin(server, { username: "ada" }, { "x-session-id": planted });
    expect((await json(response))["sessionId"]).not.toBe(planted);
    expect(await resp.command("EXISTS", `session:${planted}`)).toBe(0);
  });

  test("names are kept exactly: Alice is not alice, and 64 emoji fit", async () => {
    for (const username of [
      "Alice",
      "alice",
      " a ",
      "🔑".repeat(64),
      "{x}:%",
      "__proto__",
      "<b>",
    ]) {
      const sessionId = await login(server, username);
      expect(await resp.command("GET", `session:${sessionId}`)).toBe(username);
      expect(await (await profile(server, sessionId)).json()).toMatchObject({ username });
    }
  });

  test("no private answer may be stored, and caches must tell credentials apart", async () => {
    const sessionId = await login(server, "ada");
    const answers = [
      await postLogin(server, { username: "ada" }),
      await profile(server, sessionId),
      await profile(server, undefined),
      await logout(server, sessionId),
    ];
    for (const { headers } of answers) {
      expect(headers.get("cache-control")).toBe("no-store");
      expect(headers.get("vary")).toBe("Cookie, Authorization, X-Session-Id");
      expect(headers.get("etag")).toBeNull();
      expect(headers.get("x-powered-by")).toBeNull();
      expect(headers.get("x-content-type-options")).toBe("nosniff");
    }
    expect((await profile(server, undefined)).headers.get("www-authenticate")).toBe("Session");
  });

  test("healthy: alive and ready", async () => {
    expect(await (await fetch(`${server.url}/livez`)).json()).toEqual({ status: "alive" });
    const ready = await fetch(`${server.url}/readyz`);
    expect(await ready.json()).toEqual({ status: "ready", store: "redis" });
  });
});
