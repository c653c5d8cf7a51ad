/**
 * LOG-1, LOG-2: all that a production server prints, answers and sends to Redis, searched for every
 * secret that it gave out or was sent. Each secret of the walk is one of its own.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answered, type Asked, ProductionServer } from "./support/production.ts";
import { secret } from "./support/production-env.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { connectResp, type Resp } from "./support/resp.ts";
import { until } from "./support/until.ts";
import { untilWritten } from "./support/written.ts";

const SECRET = secret();
const PASSWORDS = {
  first: "canary-first otter mondlicht",
  second: "canary-second violine kessel",
  wrong: "canary-wrong zahnrad nebel",
  weak: "canary-weak",
} as const;
/** People type it in the wrong field: Redis is asked for a user of that name, and keeps nothing. */
const AS_NAME = "canary-as-name vogel";

let redis: TestRedis;
let resp: Resp;
let tap: Resp;
let server: ProductionServer;
let monitored = "";

beforeAll(async () => {
  redis = await startRedis({
    args: ["--appendonly", "yes", "--slowlog-log-slower-than", "0", "--slowlog-max-len", "100000"],
  });
  [resp, tap] = [await connectResp(redis.port), await connectResp(redis.port)];
  await tap.monitor((line) => {
    monitored += `${line}\n`;
  });
  server = await ProductionServer.start(redis.url, {
    env: { LOG_LEVEL: "trace", AUTH_SECRETS: `k1:${SECRET}`, AUTH_REGISTRATION: "open" },
  });
});

afterAll(async () => {
  for (const connection of [resp, tap]) connection?.close();
  await server?.server.stop();
  await redis?.stop();
});

test("LOG-1, LOG-2, ERR-1: no secret is printed, answered with an error, or known to Redis", async () => {
  await until(() => server.server.output().includes("/auth/enrol"));
  const enrolment = server.enrolmentToken();
  const { secrets, answers } = await walk(enrolment);
  const everywhere = [...secrets, ...Object.values(PASSWORDS), SECRET, SECRET.toUpperCase()];
  await until(() => server.server.output().includes('"event":"authn_password_change"'));
  await until(() => monitored.includes("canary-last"));
  const places = {
    printed: server.server.output().replace(`token ${enrolment}\n`, ""),
    answered: answers.map(({ text }) => text).join("\n"),
    monitored,
    slowlog: JSON.stringify(await resp.command("SLOWLOG", "GET", "-1")),
    written: await appendOnlyFile(),
  };
  // What is searched has been in use: the sessions' public handles are in it.
  const [, handle = "none"] = secrets;
  for (const place of ["monitored", "slowlog", "written"] as const) {
    expect(places[place].includes(handle.slice(0, 24)), place).toBe(true);
  }
  for (const [place, text] of Object.entries(places)) {
    for (const secret of [...everywhere, enrolment]) {
      expect(text.includes(hidden(secret)), `${secret} in ${place}`).toBe(false);
    }
  }
  for (const place of ["printed", "answered", "written"] as const) {
    expect(places[place].includes("canary-as-name"), place).toBe(false);
  }
  expect(places.answered).not.toMatch(/redis|ECONN|node_modules|\bat \/|\.[jt]s:\d/i);
});

/** Of a token the half that is secret: the other one is its public handle. */
function hidden(text: string): string {
  return /^[\w-]{24}\.[\w-]{32}$/.test(text) ? text.slice(25) : text;
}

/** Every endpoint, well and badly; resolves to all that was secret in it, and every error. */
async function walk(enrolment: string): Promise<{
  readonly secrets: readonly string[];
  readonly answers: readonly Answered[];
}> {
  const { first, second, wrong, weak } = PASSWORDS;
  const answers: Answered[] = [];
  const secrets: string[] = [];
  const ask = async (method: string, path: string, asked: Asked = {}): Promise<Answered> => {
    const answer = await server.ask(method, path, asked);
    if (answer.status >= 400) answers.push(answer);
    const cookie = /__Host-sid=([^;]+)/.exec(answer.headers.getSetCookie().join())?.[1];
    for (const token of [answer.body["token"], cookie]) {
      if (typeof token === "string" && token.includes(".")) secrets.push(token);
    }
    return answer;
  };
  const post = (path: string, body: object, asked: Asked = {}) =>
    ask("POST", path, { ...asked, body });
  await post("/auth/enrol", { token: "B".repeat(32), username: "ada", password: wrong });
  await post("/auth/enrol", { token: enrolment, username: "ada", password: weak });
  await post("/auth/enrol", { token: enrolment, username: "ada", password: first });
  await post("/auth/enrol", { token: enrolment, username: "eve", password: first });
  await post("/auth/register", { username: "bob", password: weak });
  await post("/auth/register", { username: "ada", password: second });
  await post("/auth/login", { username: AS_NAME, password: first });
  await post("/auth/login", { username: "ada", password: wrong });
  await post("/auth/login", { username: "ada", password: [first] });
  await post("/auth/login", { username: "ada", password: first }, { isBrowser: true });
  const cookie = `__Host-sid=${secrets[0]}`;
  await post("/auth/login", { username: "ada", password: first });
  const token = secrets[1] ?? "none";
  await ask("GET", "/profile", { cookie });
  await ask("GET", "/auth/session", { headers: { authorization: `Bearer ${token}` } });
  await ask("GET", `/auth/session?token=${token}`);
  await ask("GET", "/auth/session", { token: `${token.slice(0, 24)}.${"C".repeat(32)}` });
  await ask("GET", "/auth/sessions", { token });
  await ask("DELETE", `/auth/sessions/${token}`, { token });
  await post("/auth/reauthenticate", { password: wrong }, { token });
  await post("/auth/reauthenticate", { password: first }, { token });
  await post("/auth/password", { current: first, next: weak }, { cookie, isBrowser: true });
  await post("/auth/password", { current: first, next: second }, { cookie, isBrowser: true });
  await ask("GET", "/profile", { token });
  await ask("POST", "/auth/logout", { cookie, isBrowser: true });
  // Redis refuses to write, and its error repeats what it was sent.
  await resp.command("CONFIG", "SET", "min-replicas-to-write", "3");
  await post("/auth/login", { username: "ada", password: second });
  await resp.command("CONFIG", "SET", "min-replicas-to-write", "0");
  await resp.command("ECHO", "canary-last");
  return { secrets, answers };
}

async function appendOnlyFile(): Promise<string> {
  await untilWritten(redis.port);
  const [, dir = ""] = [await resp.command("CONFIG", "GET", "dir")].flat().map(String);
  const folder = join(dir, "appendonlydir");
  const files = await readdir(folder);
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), "latin1")));
  return texts.join("\n");
}
