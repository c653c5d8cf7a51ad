/** The production server: log in with a password, be recognised, log out. Real HTTP, real Redis. */
import { createHash } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  BAD,
  cookiesOf,
  forgetAttempts,
  GOOD,
  ProductionServer,
  withoutRequestId,
} from "./support/production.ts";
import { PUBLIC_ORIGIN } from "./support/production-env.ts";
import { rawRequest } from "./support/raw-http.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { connectResp, type Resp } from "./support/resp.ts";

let redis: TestRedis;
let resp: Resp;
let server: ProductionServer;

beforeAll(async () => {
  redis = await startRedis({ args: ["--appendonly", "yes"] });
  resp = await connectResp(redis.port);
  server = await ProductionServer.start(redis.url, { env: { AUTH_REGISTRATION: "open" } });
  for (const name of ["ada", "bob", "disabled"]) await server.register(name);
});

afterAll(async () => {
  resp?.close();
  await server?.server.stop();
  await redis?.stop();
});

afterEach(() => forgetAttempts(resp));

describe("POST /auth/login", () => {
  test("gives a header client a token, no cookie, and the session its owner", async () => {
    const answer = await server.logIn("ada");
    expect(answer.status).toBe(200);
    const { message, sessionId, expiresAt, token, ...more } = answer.body;
    expect(more).toEqual({});
    expect(message).toBe("Logged in");
    expect(String(token)).toMatch(/^[\w-]{24}\.[\w-]{32}$/);
    expect(String(token).startsWith(`${sessionId}.`)).toBe(true);
    expect(new Date(String(expiresAt)).toISOString()).toBe(expiresAt);
    expect(answer.headers.getSetCookie()).toEqual([]);
    expect(answer.headers.get("cache-control")).toContain("no-store");
    expect((await server.ask("GET", "/profile", { token: String(token) })).body).toEqual({
      username: "ada",
      secretData: "This came from protected route",
    });
  });

  test("CKE-1, CKE-4: gives a browser a cookie that it keeps from scripts, and no token", async () => {
    for (const transport of [undefined, "header", "cookie"]) {
      const body = { username: "ada", password: GOOD, transport };
      const answer = await server.ask("POST", "/auth/login", { body, isBrowser: true });
      const [device = "", session = ""] = answer.headers.getSetCookie().sort();
      // Sorted by name: "d" comes before "s".
      const value = /^__Host-sid=([\w-]{24}\.[\w-]{32}); /.exec(session)?.[1] ?? "none";
      expect(session.split("; ").slice(1).sort()).toEqual([
        "HttpOnly",
        "Path=/",
        "SameSite=Lax",
        "Secure",
      ]);
      expect(device).toMatch(/^__Host-device=[\w.-]{66}; /);
      for (const rule of ["HttpOnly", "Secure", "Path=/"]) expect(device).toContain(`; ${rule}`);
      expect(answer.text).not.toContain(value.slice(25));
      expect(Object.keys(answer.body)).toEqual(["message", "sessionId", "expiresAt"]);
      const cookie = cookiesOf(answer);
      expect((await server.ask("GET", "/profile", { cookie })).status).toBe(200);
    }
  });

  test("CKE-5: is refused over plain http from a browser, and sets no cookie", async () => {
    // Over plain http browsers send no Sec-Fetch-Site, but an Origin with each POST.
    const origin = PUBLIC_ORIGIN.replace("https:", "http:");
    const ways = [
      { isBrowser: true },
      { headers: { origin } },
      { headers: { "sec-fetch-site": "same-origin" } },
    ];
    for (const way of ways) {
      const answer = await server.logIn("ada", GOOD, { ...way, proto: "http" });
      expect([answer.status, answer.body["code"]]).toEqual([403, "https_required"]);
      expect(answer.headers.getSetCookie()).toEqual([]);
    }
  });

  test("PRX-1, CKE-5: nobody but a trusted proxy says that it was https", async () => {
    const elsewhere = await ProductionServer.start(redis.url, {
      env: { TRUST_PROXY: "198.51.100.0/24", AUTH_SECRETS: server.ring },
    });
    try {
      const lines = ["POST /auth/login HTTP/1.1", "Content-Type: application/json"];
      const spoofed = [...lines, "X-Forwarded-Proto: https", `Origin: ${PUBLIC_ORIGIN}`];
      const { host } = new URL(PUBLIC_ORIGIN);
      const body = JSON.stringify({ username: "ada", password: GOOD });
      const answer = await rawRequest(elsewhere.server.port, spoofed, body, host);
      expect(answer.status).toBe(403);
      expect(answer.body).toContain("https_required");
    } finally {
      await elsewhere.server.stop();
    }
  });

  test("ENU-1, PWD-1: unknown, wrong, disabled and without password are one answer", async () => {
    await resp.command("HSET", "{user:disabled}:account", "disabled", "1");
    await resp.command("HSET", "{user:none}:account", "name", "none");
    const answers = [
      await server.logIn("nobody-here", GOOD),
      await server.logIn("ada", BAD),
      await server.logIn("disabled", GOOD),
      await server.logIn("none", GOOD),
    ].map(withoutRequestId);
    expect(answers[0]).toMatchObject({ status: 401 });
    expect(JSON.stringify(answers[0])).toContain("invalid_credentials");
    for (const answer of answers) expect(answer).toEqual(answers[0]);
  });

  test("INP-5, INP-7: a bad body is a 400 that names the field, and echoes nothing", async () => {
    const rows: readonly [unknown, string][] = [
      [{ username: "ada" }, "/password"],
      [{ password: GOOD }, "/username"],
      [{ username: "a\u202eb", password: GOOD }, "/username"],
      [{ username: "ada", password: ["x"] }, "/password"],
      [{ username: "ada", password: "x".repeat(1_025) }, "/password"],
      [{ username: "ada", password: GOOD, transport: "x" }, "/transport"],
      [[], ""],
    ];
    for (const [body, pointer] of rows) {
      const answer = await server.ask("POST", "/auth/login", { body });
      expect(answer.status, pointer).toBe(400);
      expect(answer.body["errors"]).toMatchObject([{ pointer }]);
      expect(answer.text).not.toContain(GOOD);
    }
  });

  test("THR-2, THR-6: a blocked account is a 429, and the right password changes nothing", async () => {
    for (let i = 0; i < 5; i++) expect((await server.logIn("bob", BAD)).status).toBe(401);
    const blocked = await server.logIn("bob", GOOD);
    expect([blocked.status, blocked.body["code"]]).toEqual([429, "throttled"]);
    expect(Number(blocked.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(blocked.headers.get("cache-control")).toContain("no-store");
  });

  test("THR-7: who fails on purpose elsewhere does not lock out a known device", async () => {
    const cookie = await server.cookies("bob");
    for (let i = 0; i < 6; i++) await server.logIn("bob", BAD, { from: "203.0.113.9" });
    expect((await server.logIn("bob", GOOD, { from: "203.0.113.10" })).status).toBe(429);
    expect((await server.logIn("bob", GOOD, { cookie, isBrowser: true })).status).toBe(200);
  });

  test("THR-4: 20 addresses of one IPv6 network fail together", async () => {
    for (let i = 0; i < 20; i++) {
      await server.logIn(`guess-${i}`, BAD, { from: `2001:db8:1:1::${i.toString(16)}` });
    }
    expect((await server.logIn("ada", GOOD, { from: "2001:DB8:1:1:ffff::1" })).status).toBe(429);
    expect((await server.logIn("ada", GOOD, { from: "2001:db8:1:2::1" })).status).toBe(200);
  });

  test("ID-2, FIX-1: a login over a session renews it; what was known before opens nothing", async () => {
    const planted = `${"p".repeat(24)}.${"q".repeat(32)}`;
    const first = await server.logIn("ada", GOOD, { token: planted });
    const token = String(first.body["token"]);
    expect(token).not.toContain("pppp");
    expect(await resp.command("EXISTS", `session:${planted.slice(0, 24)}`)).toBe(0);
    const second = await server.logIn("ada", GOOD, { token });
    expect(await server.profileStatus(token)).toBe(401);
    expect(await server.profileStatus(String(second.body["token"]))).toBe(200);
  });

  test("CSR-1: a page of another site logs nobody in, and costs no hash", async () => {
    const rows = [
      { "sec-fetch-site": "cross-site", origin: "https://evil.example" },
      { "sec-fetch-site": "same-site", origin: "https://other.example.org" },
      { origin: `${PUBLIC_ORIGIN}.evil.example` },
      { origin: "null" },
    ];
    for (const headers of rows) {
      // Also a wrong password: nobody has looked at it.
      for (const password of [GOOD, BAD]) {
        const answer = await server.logIn("ada", password, { headers });
        expect([answer.status, answer.body["code"]]).toEqual([403, "csrf"]);
      }
    }
  });

  test("HDR-3, HDR-2: HSTS for a year, and no header of the demo", async () => {
    const { headers } = await server.ask("GET", "/auth/session");
    expect(headers.get("strict-transport-security")).toBe("max-age=31536000; includeSubDomains");
    expect(headers.get("x-auth-profile")).toBeNull();
    expect(headers.get("x-powered-by")).toBeNull();
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
  });
});

describe("a session", () => {
  test("GET /auth/session tells what is known of it", async () => {
    const headers = { "user-agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0" };
    const { body } = await server.logIn("ada", GOOD, { headers });
    const session = await server.ask("GET", "/auth/session", { token: String(body["token"]) });
    expect(session.body).toMatchObject({
      username: "ada",
      sessionId: body["sessionId"],
      amr: ["pwd"],
      device: { label: "Firefox on Linux", where: "192.0.2.0/24" },
    });
    for (const name of ["createdAt", "authTime", "expiresAt", "absoluteExpiresAt"]) {
      expect(new Date(String(session.body[name])).toISOString(), name).toBe(session.body[name]);
    }
  });

  test("CRY-1: redis-cli shows its user; the id alone is refused, in every way", async () => {
    const { body } = await server.logIn("ada");
    const id = String(body["sessionId"]);
    expect(await resp.command("GET", `session:${id}`)).toBe("ada");
    for (const headers of [
      { "x-session-id": id },
      { authorization: `Bearer ${id}` },
      { cookie: `__Host-sid=${id}` },
    ]) {
      expect((await server.ask("GET", "/profile", { headers })).status).toBe(401);
    }
  });

  test("CRY-1: no value of a full dump, and no hash in it, logs anyone in", async () => {
    const token = await server.token("ada");
    const cookie = await server.cookies("bob");
    const texts = await everyText(resp);
    expect(texts.some((text) => text.includes(token.slice(0, 24)))).toBe(true);
    const secret = token.slice(25);
    expect(texts.join("\n")).not.toContain(secret);
    expect(texts.join("\n")).not.toContain(/__Host-sid=([^;]+)/.exec(cookie)?.[1]?.slice(25));
    const hash = createHash("sha256").update(secret).digest();
    const sid = token.slice(0, 24);
    const tries = new Set([
      ...texts.flatMap((text) => [text, `${sid}.${text}`]),
      `${sid}.${hash.toString("base64url").slice(0, 32)}`,
    ]);
    for (const text of tries) {
      if (!/^[\x21-\x7e]{1,200}$/.test(text)) continue;
      expect((await server.ask("GET", "/profile", { token: text })).status).toBe(401);
    }
    expect(await server.profileStatus(token)).toBe(200);
  });

  test("END-1, END-7, END-8: logout ends it in Redis, clears the cookie, and repeats as a 204", async () => {
    const cookie = await server.cookies("ada");
    const sid = /__Host-sid=([\w-]{24})/.exec(cookie)?.[1] ?? "none";
    const out = await server.ask("POST", "/auth/logout", { cookie, isBrowser: true });
    expect(out.status).toBe(204);
    expect(out.headers.getSetCookie().join()).toMatch(/^__Host-sid=; .*Max-Age=0/);
    expect(await resp.command("EXISTS", `session:${sid}`, `{session:${sid}}:record`)).toBe(0);
    expect((await server.ask("GET", "/profile", { cookie })).status).toBe(401);
    expect((await server.ask("POST", "/auth/logout", { cookie, isBrowser: true })).status).toBe(
      204,
    );
  });

  test("LST-4: an eleventh login ends the session that would end first", async () => {
    const tokens: string[] = [];
    for (let i = 0; i < 11; i++) tokens.push(await server.token("bob"));
    const statuses = await Promise.all(tokens.map((token) => server.profileStatus(token)));
    expect(statuses.filter((status) => status === 200)).toHaveLength(10);
  });
});

/** Keys, fields and values, all of it. */
async function everyText(from: Resp): Promise<string[]> {
  const keys = await from.command("KEYS", "*");
  const texts: string[] = [];
  for (const key of Array.isArray(keys) ? keys.map(String) : []) {
    const type = String(await from.command("TYPE", key));
    const reply = await from.command(...(READ[type]?.(key) ?? fail(type)));
    texts.push(key, ...[reply].flat(2).map(String));
  }
  return texts;
}

const READ: Readonly<Record<string, (key: string) => [string, ...string[]]>> = {
  string: (key) => ["GET", key],
  hash: (key) => ["HGETALL", key],
  zset: (key) => ["ZRANGE", key, "0", "-1", "WITHSCORES"],
};

function fail(type: string): never {
  throw new Error(`what is in a ${type}?`);
}
