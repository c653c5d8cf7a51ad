/** Whatever a client sends: the right 4xx, nothing stored, nothing echoed, no crash. */
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { rawRequest } from "./support/raw-http.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { connectResp, type Resp } from "./support/resp.ts";
import { startServer, type TestServer } from "./support/server.ts";

let redis: TestRedis;
let resp: Resp;
let server: TestServer;

beforeAll(async () => {
  redis = await startRedis();
  resp = await connectResp(redis.port);
  server = await startServer({ env: { REDIS_URL: redis.url } });
});

afterAll(async () => {
  resp?.close();
  await server?.stop();
  await redis?.stop();
});

beforeEach(async () => {
  await resp.command("CONFIG", "RESETSTAT");
});

const JSON_TYPE = "Content-Type: application/json";
const INVALID_UTF8 = Buffer.from('{"username":"\xff\xfe"}', "latin1");

describe("POST /auth/login refuses, and asks Redis nothing", () => {
  test.each<[string, number, string[], Buffer | string, string?]>([
    ["a body that is no JSON", 400, [JSON_TYPE], "{username"],
    ["a body cut off", 400, [JSON_TYPE], '{"username":"ad'],
    ["no body", 400, [JSON_TYPE], "", "/username"],
    ["no body and no type", 400, [], "", ""],
    ["an array", 400, [JSON_TYPE], '["ada"]', ""],
    ["a string", 400, [JSON_TYPE], '"ada"'],
    ["null", 400, [JSON_TYPE], "null"],
    ["no username", 400, [JSON_TYPE], "{}", "/username"],
    ["an empty username", 400, [JSON_TYPE], '{"username":""}', "/username"],
    ["a number for a username", 400, [JSON_TYPE], '{"username":7}', "/username"],
    ["a list for a username", 400, [JSON_TYPE], '{"username":["ada"]}', "/username"],
    ["null for a username", 400, [JSON_TYPE], '{"username":null}', "/username"],
    ["65 code points", 400, [JSON_TYPE], named("🔑".repeat(65)), "/username"],
    ["a line break", 400, [JSON_TYPE], named("a\nb"), "/username"],
    ["a NUL", 400, [JSON_TYPE], named("a\0"), "/username"],
    ["a C1 control", 400, [JSON_TYPE], named("a\u0085b"), "/username"],
    ["half a surrogate pair", 400, [JSON_TYPE], '{"username":"\\ud800"}', "/username"],
    ["another transport", 400, [JSON_TYPE], '{"username":"a","transport":"x"}', "/transport"],
    ["bytes that are no UTF-8", 400, [JSON_TYPE], INVALID_UTF8],
    ["a prototype for a body", 400, [JSON_TYPE], '{"__proto__":{"username":"ada"}}', "/username"],
    ["nothing but brackets", 400, [JSON_TYPE], "[".repeat(4_000)],
    ["more than 8 KiB", 413, [JSON_TYPE], named("a".repeat(8_200))],
    ["a form", 415, ["Content-Type: application/x-www-form-urlencoded"], "username=ada"],
    ["plain text", 415, ["Content-Type: text/plain"], named("ada")],
    ["a type that only begins like JSON", 415, [`${JSON_TYPE}/x`], named("ada")],
    ["another charset", 415, [`${JSON_TYPE}; charset=utf-16`], named("ada")],
    ["16 kB of blanks in the type", 415, [`${JSON_TYPE}${" ".repeat(15_000)}x`], named("ada")],
    ["gzip", 415, [JSON_TYPE, "Content-Encoding: gzip"], gzipSync(named("ada"))],
  ])("%s: %i", async (_name, status, headers, body, pointer) => {
    const answer = await rawRequest(server.port, ["POST /auth/login HTTP/1.1", ...headers], body);
    expect(answer.status).toBe(status);
    expect(answer.head).toContain("application/problem+json");
    const problem = JSON.parse(answer.body);
    expect(problem.message).toBe(problem.title);
    expect(problem.status).toBe(status);
    if (pointer !== undefined) {
      expect(problem.code).toBe("invalid_request");
      expect(problem.errors.map((error: { pointer: string }) => error.pointer)).toEqual([pointer]);
    }
    // No stack, no library, no echo of what was sent.
    expect(answer.body).not.toMatch(/[Rr]edis|node_modules|\.[jt]s\b|Error\b|🔑|aaa|\[\[\[/);
    expect(await redisCalls()).toBe(0);
  });
});

describe("a session id that cannot be one is 401, and asks Redis nothing", () => {
  test.each([
    ["empty", ""],
    ["23 characters", "A".repeat(23)],
    ["25 characters", "A".repeat(25)],
    ["a star", "*"],
    ["24 stars", "*".repeat(24)],
    ["a path", "../x"],
    ["a path of 24", "../../../../../../../../"],
    ["a hash tag", "{x}"],
    ["a hash tag of 24", `{${"x".repeat(22)}}`],
    ["a glob", "[a-z]"],
    ["percent-encoded", "%41".repeat(8)],
    ["padding", `${"A".repeat(22)}==`],
    ["a token of the other layout", `${"A".repeat(24)}.${"B".repeat(32)}`],
    ["bytes above ASCII", `${"A".repeat(23)}\xe9`],
    ["a space inside", `${"A".repeat(12)} ${"A".repeat(11)}`],
    ["two joined by a comma", `${"A".repeat(24)}, ${"B".repeat(24)}`],
    ["10 kB", "A".repeat(10_000)],
  ])("%s", async (_name, id) => {
    for (const header of [
      `x-session-id: ${id}`,
      `Authorization: Bearer ${id}`,
      `Cookie: sid=${id}`,
    ]) {
      const answer = await rawRequest(server.port, ["GET /profile HTTP/1.1", header]);
      expect(answer.status, header.slice(0, 20)).toBe(401);
      expect(JSON.parse(answer.body).message).toBe("Invalid session");
    }
    const out = await rawRequest(server.port, [
      "POST /auth/logout HTTP/1.1",
      `x-session-id: ${id}`,
    ]);
    expect(out.status).toBe(204);
    expect(await redisCalls()).toBe(0);
  });

  test("a NUL is refused before it gets that far", async () => {
    const answer = await rawRequest(server.port, ["GET /profile HTTP/1.1", "x-session-id: a\0b"]);
    expect(answer.status).toBe(400);
    expect(await redisCalls()).toBe(0);
  });
});

describe("a live id in the wrong place is 401", () => {
  test.each<[string, (id: string, other: string) => string[]]>([
    ["twice the header", (id, other) => [`x-session-id: ${id}`, `x-session-id: ${other}`]],
    ["twice the same header", (id) => [`x-session-id: ${id}`, `X-Session-Id: ${id}`]],
    [
      "twice Authorization",
      (id, other) => [`Authorization: Bearer ${id}`, `Authorization: Bearer ${other}`],
    ],
    ["two cookies of the name", (id, other) => [`Cookie: sid=${id}; sid=${other}`]],
    ["two Cookie headers", (id, other) => [`Cookie: sid=${id}`, `Cookie: sid=${other}`]],
    ["a bad header before a good cookie", (id) => ["x-session-id: nope", `Cookie: sid=${id}`]],
    ["an empty header before a good cookie", (id) => ["x-session-id:", `Cookie: sid=${id}`]],
    ["a bad bearer before a good cookie", (id) => ["Authorization: Bearer x", `Cookie: sid=${id}`]],
    [
      "a bad header before a good bearer",
      (id) => ["x-session-id: x", `Authorization: Bearer ${id}`],
    ],
    [
      "a bearer with a tab before a good cookie",
      (id) => ["Authorization: Bearer\tx", `Cookie: sid=${id}`],
    ],
    ["the Basic scheme", (id) => [`Authorization: Basic ${id}`]],
    ["a cookie of another case", (id) => [`Cookie: SID=${id}`]],
    ["a cookie behind U+00A0", (id) => [`Cookie: \xa0sid=${id}`]],
    ["a quoted cookie", (id) => [`Cookie: sid="${id}"`]],
    ["a cookie without name", (id) => [`Cookie: =sid=${id}`]],
    ["lower case", (id) => [`x-session-id: ${id.toLowerCase()}`]],
  ])("%s", async (_name, headers) => {
    const [id, other] = [await login("ada"), await login("bob")];
    const answer = await rawRequest(server.port, ["GET /profile HTTP/1.1", ...headers(id, other)]);
    expect(answer.status).toBe(401);
    expect(JSON.parse(answer.body).message).toBe("Invalid session");
    for (const sid of [id, other]) expect(await resp.command("EXISTS", `session:${sid}`)).toBe(1);
  });

  test("in the query, the path or the body", async () => {
    const id = await login("ada");
    for (const target of [`/profile?sessionId=${id}`, `/profile;sid=${id}`, `/profile/${id}`]) {
      const answer = await rawRequest(server.port, [`GET ${target} HTTP/1.1`]);
      expect([401, 404]).toContain(answer.status);
    }
  });

  test("a good header wins over somebody else's cookie", async () => {
    const [id, other] = [await login("ada"), await login("bob")];
    const answer = await rawRequest(server.port, [
      "GET /profile HTTP/1.1",
      `x-session-id: ${id}`,
      `Cookie: sid=${other}`,
    ]);
    expect(JSON.parse(answer.body)).toMatchObject({ username: "ada" });
  });
});

describe("a foreign value at the key is no session", () => {
  test.each([
    ["a list", ["LPUSH", "x"]],
    ["a hash", ["HSET", "f", "v"]],
    ["no deadline", ["SET", "bob"]],
    ["5 MB", ["SET", "x".repeat(5_000_000)]],
  ])("%s: 401, and the server goes on", async (_name, [command = "", ...args]) => {
    const id = "foreign-foreign-foreign-";
    await resp.command("DEL", `session:${id}`);
    await resp.command(command, `session:${id}`, ...args);
    const answer = await rawRequest(server.port, ["GET /profile HTTP/1.1", `x-session-id: ${id}`]);
    expect(answer.status).toBe(401);
    expect(JSON.parse(answer.body).message).toBe("Invalid session");
    expect(await resp.command("EXISTS", `session:${id}`)).toBe(1);
    expect((await fetch(`${server.url}/livez`)).status).toBe(200);
  });

  test("a session made by hand without a user is nobody's", async () => {
    await resp.command("SET", "session:nobody-nobody-nobody-nob", "", "EX", "60");
    const headers = { "x-session-id": "nobody-nobody-nobody-nob" };
    expect((await fetch(`${server.url}/profile`, { headers })).status).toBe(401);
  });
});

describe("paths and methods", () => {
  test.each([
    ["GET", "/auth/login", "POST"],
    ["GET", "/auth/logout", "POST"],
    ["HEAD", "/auth/logout", "POST"],
    ["DELETE", "/auth/session", "GET, HEAD"],
    ["POST", "/profile", "GET, HEAD"],
    ["TRACE", "/profile", "GET, HEAD"],
    ["POST", "/livez", "GET, HEAD"],
  ])("%s %s: 405, Allow: %s", async (method, path, allow) => {
    const id = await login("ada");
    const lines = [`${method} ${path} HTTP/1.1`, `x-session-id: ${id}`];
    const answer = await rawRequest(server.port, lines);
    expect(answer.status).toBe(405);
    expect(answer.head).toContain(`Allow: ${allow}\r\n`);
    expect(await resp.command("EXISTS", `session:${id}`)).toBe(1);
  });

  test.each(["/nope", "/auth", "/%ff", "/../etc/passwd", "/auth/login/x"])(
    "%s: 4xx as a problem",
    async (path) => {
      const answer = await rawRequest(server.port, [`GET ${path} HTTP/1.1`]);
      expect([400, 404]).toContain(answer.status);
      expect(answer.head).toContain("application/problem+json");
      expect(answer.body).not.toContain(path);
    },
  );

  test("a request that names another host is 403: a page of that host may have sent it", async () => {
    const id = await login("ada");
    for (const host of [
      "evil.example",
      "evil.example:3000",
      "localhost.evil.example",
      "127.0.0.1.x",
    ]) {
      const lines = ["GET /profile HTTP/1.1", `x-session-id: ${id}`];
      const answer = await rawRequest(server.port, lines, "", host);
      expect(answer.status, host).toBe(403);
      expect(JSON.parse(answer.body).code).toBe("forbidden");
    }
    for (const host of ["localhost", `localhost:${server.port}`, "127.0.0.1", "[::1]:3000"]) {
      const lines = ["GET /profile HTTP/1.1", `x-session-id: ${id}`];
      expect((await rawRequest(server.port, lines, "", host)).status, host).toBe(200);
    }
  });

  test("If-None-Match: * is no way to an empty answer", async () => {
    const id = await login("ada");
    const lines = ["GET /profile HTTP/1.1", `x-session-id: ${id}`, "If-None-Match: *"];
    const answer = await rawRequest(server.port, lines);
    expect([answer.status, JSON.parse(answer.body).username]).toEqual([200, "ada"]);
  });

  test("a session with an end beyond all dates is none, and no 500", async () => {
    await resp.command("SET", "session:longlonglonglonglonglong", "bob", "EX", "9000000000000");
    const headers = { "x-session-id": "longlonglonglonglonglong" };
    expect((await fetch(`${server.url}/auth/session`, { headers })).status).toBe(401);
  });

  test("a logout that names two sessions ends both", async () => {
    const [id, other] = [await login("ada"), await login("bob")];
    const lines = ["POST /auth/logout HTTP/1.1", `Cookie: sid=${id}; sid=${other}`];
    expect((await rawRequest(server.port, lines)).status).toBe(204);
    for (const sid of [id, other]) expect(await resp.command("EXISTS", `session:${sid}`)).toBe(0);
  });

  test("headers of 20 kB: 431", async () => {
    const answer = await rawRequest(server.port, [
      "GET /livez HTTP/1.1",
      `x: ${"y".repeat(20_000)}`,
    ]);
    expect(answer.status).toBe(431);
  });
});

test("after all of this the same process runs, and complained of nothing", async () => {
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  expect(() => process.kill(server.pid, 0)).not.toThrow();
  expect(server.output()).not.toMatch(/error|warn|exception/i);
});

function named(username: string): string {
  return JSON.stringify({ username });
}

async function login(username: string): Promise<string> {
  const lines = ["POST /auth/login HTTP/1.1", JSON_TYPE];
  return JSON.parse((await rawRequest(server.port, lines, named(username))).body).sessionId;
}

/** Commands since the last RESETSTAT, but for this test's own questions. */
async function redisCalls(): Promise<number> {
  const stats = String(await resp.command("INFO", "commandstats"));
  const calls = [...stats.matchAll(/^cmdstat_(\S+?):calls=(\d+)/gm)];
  return calls
    .filter(([, name = ""]) => !/^(info|config|role|hello|client|eval$)/.test(name))
    .reduce((sum, [, , count]) => sum + Number(count), 0);
}
