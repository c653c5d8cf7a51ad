/** LOG-4, LOG-5: what a production server's log tells, as whoever collects it reads it: JSON lines. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { BAD, BETTER, forgetAttempts, GOOD, ProductionServer } from "./support/production.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { connectResp, type Resp } from "./support/resp.ts";
import { until } from "./support/until.ts";

type Line = Readonly<Record<string, unknown>>;

let redis: TestRedis;
let resp: Resp;
let server: ProductionServer;

beforeAll(async () => {
  redis = await startRedis({ args: ["--appendonly", "yes"] });
  resp = await connectResp(redis.port);
  server = await ProductionServer.start(redis.url, { env: { AUTH_REGISTRATION: "open" } });
  await server.register("ada");
});

beforeEach(() => forgetAttempts(resp));

afterAll(async () => {
  resp?.close();
  await server?.server.stop();
  await redis?.stop();
});

test("LOG-5: the start, with the profile", async () => {
  expect(await told("sys_startup")).toMatchObject({ what: "production", result: "success" });
  expect(await told("server_started")).toMatchObject({ port: server.server.port });
});

test("LOG-5: a login and its session: who, what, when, where, which request", async () => {
  const answer = await server.logIn("Ada");
  const about = { who: "ada", session: answer.body["sessionId"], where: "192.0.2.0/24" };
  const requestId = answer.headers.get("x-request-id");
  for (const event of ["session_created", "authn_login_success"]) {
    const line = await told(event, requestId);
    expect(line).toMatchObject({ ...about, result: "success" });
    expect(new Date(String(line["time"])).toISOString()).toBe(line["time"]);
  }
});

test("LOG-5, LOG-6: a failure, with the reason that the answer does not give", async () => {
  await resp.command("HSET", "{user:off}:account", "name", "off", "disabled", "1");
  const rows: readonly [string, string, boolean][] = [
    ["ada", "wrong-password", true],
    ["off", "disabled", true],
    ["a password in the wrong field", "unknown-user", false],
  ];
  for (const [name, what, isKnown] of rows) {
    const { headers } = await server.logIn(name, BAD);
    const line = await told("authn_login_fail", headers.get("x-request-id"));
    expect(line).toMatchObject({ what, result: "failure", level: "warn" });
    expect(line["who"]).toBe(isKnown ? name : undefined);
    expect(typeof line["whoHash"]).toBe(isKnown ? "undefined" : "string");
  }
  expect(server.server.output()).not.toContain("wrong field");
});

test("LOG-5: what the throttle refuses", async () => {
  for (let i = 0; i < 5; i++) await server.logIn("ada", BAD);
  const { headers } = await server.logIn("ada");
  const line = await told("excess_rate_limit_exceeded", headers.get("x-request-id"));
  expect(line).toMatchObject({ what: "login", result: "failure" });
});

test("LOG-5: a changed password, and one that was not", async () => {
  const token = await server.token("ada");
  const change = (current: string) =>
    server.ask("POST", "/auth/password", { token, body: { current, next: BETTER } });
  const failed = (await change(BAD)).headers.get("x-request-id");
  expect(await told("authn_password_change_fail", failed)).toMatchObject({ what: "wrong" });
  const done = (await change(GOOD)).headers.get("x-request-id");
  expect(await told("authn_password_change", done)).toMatchObject({ who: "ada" });
  expect(await told("session_revoked", done)).toMatchObject({ what: "password-change" });
  expect(await told("session_renewed", done)).toMatchObject({ who: "ada" });
});

test("LOG-5: a forged request, a stolen handle, a session that was ended from a list", async () => {
  await server.register("bob");
  const [token, there] = [await server.token("bob"), await server.token("bob")];
  const cookie = `__Host-sid=${token}`;
  const origin = "https://evil.example";
  const forged = await server.ask("POST", "/auth/logout", { cookie, headers: { origin } });
  await told("malicious_csrf", forged.headers.get("x-request-id"));
  const stolen = `${token.slice(0, 24)}.${"A".repeat(32)}`;
  const tampered = await server.ask("GET", "/profile", { token: stolen });
  const line = await told("session_tampered", tampered.headers.get("x-request-id"));
  expect(line).toMatchObject({ what: "wrong-secret", session: token.slice(0, 24) });
  const ended = await server.ask("DELETE", `/auth/sessions/${there.slice(0, 24)}`, { token });
  const by = await told("session_revoked", ended.headers.get("x-request-id"));
  expect(by).toMatchObject({ what: "device-list", by: "bob" });
});

test("LOG-4: a name cannot write a line of its own", async () => {
  const name = 'x"}{"event":"authn_login_success","who":"root';
  await server.logIn(name, BAD);
  const agent = 'ua"}\\n{"event":"fake"}';
  const { headers } = await server.logIn("ada", BETTER, { headers: { "user-agent": agent } });
  await told("authn_login_success", headers.get("x-request-id"));
  expect(lines().some(({ who }) => who === "root")).toBe(false);
  expect(lines().some(({ event }) => event === "fake")).toBe(false);
});

/** The line of this event and request. The log is written in the background. */
async function told(event: string, requestId?: string | null): Promise<Line> {
  const find = (): Line | undefined =>
    lines().find((line) => {
      const isOf = requestId === undefined || line["requestId"] === requestId;
      return isOf && line["event"] === event;
    });
  await until(() => find() !== undefined);
  return find() ?? {};
}

/** Every line of its stdout must be one: those for people are on stderr. */
function lines(): Line[] {
  return server.server
    .output()
    .split("\n")
    .filter((line) => line.startsWith("{") && line.endsWith("}"))
    .map((line) => JSON.parse(line));
}
