/** The production server: become a user, prove again who one is, change one's password. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  BAD,
  BETTER,
  cookiesOf,
  forgetAttempts,
  GOOD,
  ProductionServer,
  withoutRequestId,
} from "./support/production.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { connectResp, type Resp } from "./support/resp.ts";
import { until } from "./support/until.ts";

let redis: TestRedis;
let resp: Resp;
const running: ProductionServer[] = [];
/** Two on one Redis: what one of them ends, the other refuses. */
let server: ProductionServer;
let other: ProductionServer;

beforeAll(async () => {
  redis = await startRedis({ args: ["--appendonly", "yes"] });
  resp = await connectResp(redis.port);
  server = await start({});
  other = await start({ AUTH_SECRETS: server.ring, AUTH_REGISTRATION: "closed" });
});

afterEach(() => forgetAttempts(resp));

afterAll(async () => {
  for (const one of running) await one.server.stop();
  resp?.close();
  await redis?.stop();
});

describe("the first user", () => {
  test("ADM-2, PWD-6, PWD-7: is nobody's by default, and enrols once, by a token told once", async () => {
    expect(await resp.command("EXISTS", "auth:users-exist")).toBe(0);
    await until(() => other.server.output().includes("/auth/enrol"));
    const token = server.enrolmentToken();
    const enrol = (body: object) => server.ask("POST", "/auth/enrol", { body });
    const root = { token, username: " Root ", password: GOOD };
    const weak = await enrol({ ...root, password: "password123456789" });
    expect([weak.status, weak.body["code"]]).toEqual([422, "password_refused"]);
    // Many at once with one token: one user.
    const tries = Array.from({ length: 8 }, (_, i) => enrol({ ...root, username: `root-${i}` }));
    const statuses = (await Promise.all(tries)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(1);
    const used = await enrol({ ...root, username: "second" });
    const never = await enrol({ ...root, username: "second", token: "x".repeat(32) });
    const another = await enrol({
      ...root,
      username: "second",
      token: other.enrolmentToken(),
    });
    expect([used.status, used.body["code"]]).toEqual([401, "invalid_enrolment"]);
    expect(withoutRequestId(never)).toEqual(withoutRequestId(used));
    expect(withoutRequestId(another)).toEqual(withoutRequestId(used));
    // It is not offered again.
    const third = await start({ AUTH_SECRETS: server.ring });
    await until(() => third.server.output().includes("Server running"));
    expect((await third.ask("GET", "/readyz")).status).toBe(200);
    expect(third.server.output()).not.toContain("/auth/enrol");
  });

  test("PWD-6: an enrolment logs nobody in", async () => {
    const fresh = await start({ AUTH_SECRETS: server.ring, SESSION_PREFIX: "b:" });
    await until(() => fresh.server.output().includes("/auth/enrol"));
    const body = { token: fresh.enrolmentToken(), username: "Ada", password: GOOD };
    const made = await fresh.ask("POST", "/auth/enrol", { body, isBrowser: true });
    expect([made.status, made.body]).toEqual([201, { message: "Enrolled", username: "ada" }]);
    expect(made.headers.getSetCookie()).toEqual([]);
    expect((await fresh.logIn("ADA")).status).toBe(200);
  });
});

describe("POST /auth/register", () => {
  test("is not there unless it is open", async () => {
    const body = { username: "eve", password: GOOD };
    expect((await other.ask("POST", "/auth/register", { body })).status).toBe(404);
  });

  test("INP-7: keeps one canonical name, and the second of two is told so", async () => {
    const register = (username: string, password = GOOD) =>
      server.ask("POST", "/auth/register", { body: { username, password } });
    expect((await register(" ＡＤＡ ")).body).toEqual({ message: "Registered", username: "ada" });
    const second = await register("Ada", BETTER);
    expect([second.status, second.body["code"]]).toEqual([409, "username_taken"]);
    const { body } = await server.logIn("aDa");
    expect(await resp.command("GET", `session:${body["sessionId"]}`)).toBe("ada");
  });

  test("PWD-2, PWD-3: a password that is easy to guess is a 422 that says why", async () => {
    for (const password of ["password123456789", "short-one-14ch", "registrar".repeat(3)]) {
      const body = { username: "registrar", password };
      const answer = await server.ask("POST", "/auth/register", { body });
      expect([answer.status, answer.body["code"]]).toEqual([422, "password_refused"]);
      expect(answer.body["errors"]).toMatchObject([{ pointer: "/password" }]);
      expect(answer.text).not.toContain(password);
    }
  });

  test("THR-8: a network registers 20 an hour", async () => {
    const from = "203.0.113.77";
    const statuses: number[] = [];
    for (let i = 0; i < 21; i++) {
      const body = { username: "registered-often", password: GOOD };
      statuses.push((await server.ask("POST", "/auth/register", { body, from })).status);
    }
    expect(statuses).toEqual([201, ...Array(19).fill(409), 429]);
  });
});

describe("POST /auth/reauthenticate", () => {
  test("FIX-1, RAU-1: gives a new token in the old one's transport; the old one is dead at once", async () => {
    await server.register("rau");
    const token = await server.token("rau");
    const body = { password: GOOD };
    const again = await server.ask("POST", "/auth/reauthenticate", { body, token });
    expect(again.status).toBe(200);
    expect(again.headers.getSetCookie()).toEqual([]);
    expect(await server.profileStatus(token)).toBe(401);
    await until(async () => (await other.profileStatus(token)) === 401);
    expect(await other.profileStatus(String(again.body["token"]))).toBe(200);

    const cookie = await server.cookies("rau");
    const path = "/auth/reauthenticate";
    const browser = await server.ask("POST", path, { body, cookie, isBrowser: true });
    expect(browser.body).not.toHaveProperty("token");
    expect((await server.ask("GET", "/profile", { cookie })).status).toBe(401);
    const renewed = cookiesOf(browser);
    expect((await server.ask("GET", "/profile", { cookie: renewed })).status).toBe(200);
  });

  test("RAU-1: guesses here and at a change of password count with those at a login", async () => {
    await server.register("guessed");
    const token = await server.token("guessed");
    const guess = (path: string, body: object) => server.ask("POST", path, { token, body });
    for (let i = 0; i < 3; i++) {
      expect((await guess("/auth/reauthenticate", { password: BAD })).status).toBe(401);
    }
    for (let i = 0; i < 2; i++) {
      expect((await guess("/auth/password", { current: BAD, next: BETTER })).status).toBe(401);
    }
    expect((await server.logIn("guessed")).status).toBe(429);
    expect(await server.profileStatus(token)).toBe(200);
  });

  test("needs a session, and says which of both is missing", async () => {
    const body = { password: GOOD };
    const none = await server.ask("POST", "/auth/reauthenticate", { body });
    expect([none.status, none.body["code"]]).toEqual([401, "invalid_session"]);
  });
});

describe("POST /auth/password", () => {
  test("RAU-2, FIX-1: ends all other sessions on every server, and renews this one", async () => {
    await server.register("mover");
    const [here, there] = [await server.token("mover"), await other.token("mover")];
    const change = { token: here, body: { current: GOOD, next: BETTER } };
    const changed = await server.ask("POST", "/auth/password", change);
    expect([changed.status, changed.body["message"]]).toEqual([200, "Password changed"]);
    expect(await server.profileStatus(here)).toBe(401);
    await until(async () => (await other.profileStatus(there)) === 401);
    expect(await other.profileStatus(String(changed.body["token"]))).toBe(200);
    expect((await server.logIn("mover", GOOD)).status).toBe(401);
    expect((await server.logIn("mover", BETTER)).status).toBe(200);
  });

  test("END-5: also those that the index has lost", async () => {
    await server.register("lost");
    const [here, there] = [await server.token("lost"), await server.token("lost")];
    await resp.command("DEL", "{user:lost}:sessions");
    const change = { token: here, body: { current: GOOD, next: BETTER } };
    const changed = await server.ask("POST", "/auth/password", change);
    expect(changed.status).toBe(200);
    expect(await server.profileStatus(there)).toBe(401);
    expect(await server.profileStatus(String(changed.body["token"]))).toBe(200);
  });

  test("CKE-4: a browser's new token is in the cookie alone", async () => {
    await server.register("baker");
    const cookie = await server.cookies("baker");
    const body = { current: GOOD, next: BETTER };
    const changed = await server.ask("POST", "/auth/password", { body, cookie, isBrowser: true });
    expect(changed.body).not.toHaveProperty("token");
    const renewed = cookiesOf(changed);
    expect(renewed).toMatch(/^__Host-sid=[\w-]{24}\.[\w-]{32}$/);
    expect((await server.ask("GET", "/profile", { cookie: renewed })).status).toBe(200);
    expect((await server.ask("GET", "/profile", { cookie })).status).toBe(401);
  });

  test("PWD-3: a bad new one is a 422 at its field, and changes nothing", async () => {
    await server.register("keeper");
    const token = await server.token("keeper");
    const body = { current: GOOD, next: "keeperkeeperkeeper" };
    const answer = await server.ask("POST", "/auth/password", { token, body });
    expect(answer.status).toBe(422);
    expect(answer.body["errors"]).toMatchObject([{ pointer: "/next" }]);
    expect(await server.profileStatus(token)).toBe(200);
    expect((await server.logIn("keeper")).status).toBe(200);
  });

  test("CSR-1: not by a page of another site", async () => {
    await server.register("victim");
    const cookie = await server.cookies("victim");
    const headers = { origin: "https://evil.example", "sec-fetch-site": "cross-site" };
    for (const path of [
      "/auth/password",
      "/auth/reauthenticate",
      "/auth/register",
      "/auth/enrol",
    ]) {
      const answer = await server.ask("POST", path, { cookie, headers, body: {} });
      expect([answer.status, answer.body["code"]], path).toEqual([403, "csrf"]);
    }
  });
});

async function start(env: Record<string, string>): Promise<ProductionServer> {
  const all = { AUTH_REGISTRATION: "open", ...env };
  const started = await ProductionServer.start(redis.url, { env: all });
  running.push(started);
  return started;
}
