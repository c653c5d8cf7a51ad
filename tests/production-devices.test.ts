/** "Your devices": the list of sessions, and ending them. Production, and the demo where it differs. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { json, login, profile } from "./support/http.ts";
import {
  type Answered,
  cookiesOf,
  forgetAttempts,
  GOOD,
  ProductionServer,
  withoutRequestId,
} from "./support/production.ts";
import { keyspace } from "./support/redis-keyspace.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { connectResp, type Resp } from "./support/resp.ts";
import { startServer, type TestServer } from "./support/server.ts";
import { until } from "./support/until.ts";

const ELEVEN_MINUTES = 11 * 60_000;
const FIREFOX = { "user-agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0" };

let redis: TestRedis;
let resp: Resp;
let server: ProductionServer;
let other: ProductionServer;

beforeAll(async () => {
  redis = await startRedis({ args: ["--appendonly", "yes"] });
  resp = await connectResp(redis.port);
  server = await ProductionServer.start(redis.url, { env: { AUTH_REGISTRATION: "open" } });
  other = await ProductionServer.start(redis.url, { env: { AUTH_SECRETS: server.ring } });
  for (const name of ["ada", "bob"]) await server.register(name);
});

afterEach(async () => {
  await forgetAttempts(resp);
  for (const name of ["ada", "bob"]) {
    const token = await server.token(name);
    await server.ask("DELETE", "/auth/sessions?scope=all", { token });
  }
});

afterAll(async () => {
  for (const one of [server, other]) await one?.server.stop();
  resp?.close();
  await redis?.stop();
});

describe("GET /auth/sessions", () => {
  test("LST-1, PRV-1: shows where one is logged in, and nothing that logs anyone in", async () => {
    const there = await server.token("ada");
    const first = await server.logIn("ada", GOOD, { headers: FIREFOX, from: "198.51.100.77" });
    const here = String(first.body["token"]);
    const list = await server.ask("GET", "/auth/sessions", { token: here });
    expect(list.headers.get("cache-control")).toContain("no-store");
    const sessions = sessionsOf(list);
    expect(sessions).toHaveLength(2);
    const [mine] = sessions.filter(({ current }) => current);
    expect(mine).toMatchObject({
      id: first.body["sessionId"],
      device: { label: "Firefox on Linux", where: "198.51.100.0/24" },
    });
    for (const name of ["createdAt", "lastSeenAt", "expiresAt"]) {
      expect(new Date(String(mine?.[name])).toISOString()).toBe(mine?.[name]);
    }
    for (const token of [here, there]) expect(list.text).not.toContain(token.slice(25));
    expect(list.text).not.toContain("198.51.100.77");
    for (const { id } of sessions) expect(await server.profileStatus(String(id))).toBe(401);
  });

  test("is one's own alone", async () => {
    const theirs = await server.token("bob");
    const token = await server.token("ada");
    const list = await server.ask("GET", "/auth/sessions", { token });
    expect(list.text).not.toContain(theirs.slice(0, 24));
    expect((await server.ask("GET", "/auth/sessions")).status).toBe(401);
  });
});

describe("DELETE /auth/sessions/{id}", () => {
  test("ends one of one's own, on every server", async () => {
    const [here, there] = [await server.token("ada"), await other.token("ada")];
    expect(await other.profileStatus(there)).toBe(200);
    expect((await end(here, there.slice(0, 24))).status).toBe(204);
    await until(async () => (await other.profileStatus(there)) === 401);
    expect(await server.profileStatus(here)).toBe(200);
  });

  test("LST-2: foreign, unknown and malformed are the identical 404, and nobody is logged out", async () => {
    const theirs = await server.token("bob");
    const token = await server.token("ada");
    const dead = await server.token("ada");
    await end(token, dead.slice(0, 24));
    const ids = [theirs.slice(0, 24), "A".repeat(24), dead.slice(0, 24), "x", "*", "a%2Fb", theirs];
    const answers = [];
    for (const id of ids) answers.push(withoutRequestId(await end(token, id)));
    expect(answers[0]).toMatchObject({ status: 404 });
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(await server.profileStatus(theirs)).toBe(200);
  });

  test("LST-3: another one needs a login of 10 minutes; one's own never does", async () => {
    const [here, there] = [await server.token("ada"), await server.token("ada")];
    await keyspace([resp], "session:").elapse(ELEVEN_MINUTES);
    await until(async () => (await end(here, "A".repeat(24))).status === 403);
    for (const id of [there.slice(0, 24), "A".repeat(24)]) {
      const refused = await end(here, id);
      expect([refused.status, refused.body["code"]]).toEqual([403, "reauth_required"]);
    }
    const many = await server.ask("DELETE", "/auth/sessions?scope=others", { token: here });
    expect(many.body["code"]).toBe("reauth_required");
    expect(await server.profileStatus(there)).toBe(200);
    const body = { password: GOOD };
    const again = await server.ask("POST", "/auth/reauthenticate", { token: here, body });
    expect((await end(String(again.body["token"]), there.slice(0, 24))).status).toBe(204);
    expect(await server.profileStatus(there)).toBe(401);
    const stale = await server.token("ada");
    await keyspace([resp], "session:").elapse(ELEVEN_MINUTES);
    await until(async () => (await end(stale, "A".repeat(24))).status === 403);
    expect((await end(stale, stale.slice(0, 24))).status).toBe(204);
    expect(await server.profileStatus(stale)).toBe(401);
  });

  test("END-8: one's own clears the cookie", async () => {
    const cookie = await server.cookies("ada");
    const sid = /__Host-sid=([\w-]{24})/.exec(cookie)?.[1] ?? "none";
    const ended = await server.ask("DELETE", `/auth/sessions/${sid}`, { cookie, isBrowser: true });
    expect(ended.status).toBe(204);
    expect(ended.headers.getSetCookie().join()).toMatch(/^__Host-sid=; /);
    expect((await server.ask("GET", "/profile", { cookie })).status).toBe(401);
  });

  test("CSR-1: not by a page of another site", async () => {
    const cookie = await server.cookies("ada");
    const headers = { origin: "https://evil.example", "sec-fetch-site": "cross-site" };
    for (const path of [`/auth/sessions/${"A".repeat(24)}`, "/auth/sessions?scope=all"]) {
      const answer = await server.ask("DELETE", path, { cookie, headers });
      expect(answer.body["code"]).toBe("csrf");
    }
    expect((await server.ask("GET", "/profile", { cookie })).status).toBe(200);
  });
});

describe("DELETE /auth/sessions?scope=", () => {
  test("END-5: others ends all but this one, also what the index has lost", async () => {
    const [here, there, lost] = [
      await server.token("ada"),
      await other.token("ada"),
      await server.token("ada"),
    ];
    await resp.command("ZREM", "{user:ada}:sessions", lost.slice(0, 24));
    const ended = await server.ask("DELETE", "/auth/sessions?scope=others", { token: here });
    expect(ended.status).toBe(204);
    expect(await server.profileStatus(here)).toBe(200);
    await until(async () => (await other.profileStatus(there)) === 401);
    expect(await server.profileStatus(lost)).toBe(401);
  });

  test("all ends this one too, and clears its cookie", async () => {
    const there = await server.token("ada");
    const cookie = cookiesOf(await server.logIn("ada", GOOD, { isBrowser: true }));
    const path = "/auth/sessions?scope=all";
    const ended = await server.ask("DELETE", path, { cookie, isBrowser: true });
    expect(ended.status).toBe(204);
    expect(ended.headers.getSetCookie().join()).toMatch(/^__Host-sid=; /);
    expect(await server.profileStatus(there)).toBe(401);
    expect((await server.ask("GET", "/profile", { cookie })).status).toBe(401);
  });

  test("without a scope, or with two, ends nothing: 400", async () => {
    const token = await server.token("ada");
    for (const query of ["", "?scope=", "?scope=mine", "?scope=all&scope=others"]) {
      const answer = await server.ask("DELETE", `/auth/sessions${query}`, { token });
      expect(answer.status, query).toBe(400);
      expect(answer.body["errors"]).toMatchObject([{ pointer: "/scope" }]);
    }
    expect(await server.profileStatus(token)).toBe(200);
  });
});

describe("in the demo", () => {
  let own: TestRedis;
  let demo: TestServer;

  beforeAll(async () => {
    own = await startRedis();
    demo = await startServer({ env: { REDIS_URL: own.url } });
  });

  afterAll(async () => {
    await demo?.stop();
    await own?.stop();
  });

  test("LST-1, LST-2: ids in the list are hashes, and end a session all the same", async () => {
    const [here, there] = [await login(demo, "ada"), await login(demo, "ada")];
    const headers = { "x-session-id": here };
    const response = await fetch(`${demo.url}/auth/sessions`, { headers });
    const text = await response.text();
    for (const sid of [here, there]) expect(text).not.toContain(sid);
    const { sessions } = JSON.parse(text);
    expect(sessions).toHaveLength(2);
    for (const { id } of sessions) expect((await profile(demo, id)).status).toBe(401);
    const url = (id: string) => `${demo.url}/auth/sessions/${id}`;
    // The id itself is no handle here: a 404, as for a handle of nobody.
    const answers = await Promise.all(
      [there, "A".repeat(24)].map((id) => fetch(url(id), { method: "DELETE", headers })),
    );
    for (const answer of answers) {
      expect(answer.status).toBe(404);
      expect(await json(answer)).toMatchObject({ code: "not_found", title: "No such session" });
    }
    const { id } = sessions.find(({ current }: { current: boolean }) => !current);
    expect((await fetch(url(id), { method: "DELETE", headers })).status).toBe(204);
    await until(async () => (await profile(demo, there)).status === 401);
    expect((await profile(demo, here)).status).toBe(200);
  });
});

function end(token: string, id: string): Promise<Answered> {
  return server.ask("DELETE", `/auth/sessions/${id}`, { token });
}

function sessionsOf({ body }: Answered): Readonly<Record<string, unknown>>[] {
  const { sessions } = body;
  return Array.isArray(sessions) ? sessions : [];
}
