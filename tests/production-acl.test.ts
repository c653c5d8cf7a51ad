/** RDS-1: a production server whose user in Redis may do what the guide says, and nothing more. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BETTER, GOOD, ProductionServer } from "./support/production.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { connectResp, type Resp } from "./support/resp.ts";
import { ROOT } from "./support/server.ts";
import { until } from "./support/until.ts";

let redis: TestRedis;
let resp: Resp;
let server: ProductionServer;

beforeAll(async () => {
  redis = await startRedis({ args: ["--appendonly", "yes"] });
  resp = await connectResp(redis.port);
  await resp.command(...ruleOf("redis"), "+info");
  const url = redis.url.replace("redis://", "redis://latchkey:password@");
  server = await ProductionServer.start(url, { env: { AUTH_REGISTRATION: "open" } });
});

afterAll(async () => {
  resp?.close();
  await server?.server.stop();
  await redis?.stop();
});

test("ADM-2: while Redis refuses to say who is there, no first user is offered, and no server ends", async () => {
  await until(async () => (await refusals()) > 0);
  expect((await fetch(`${server.server.url}/livez`)).status).toBe(200);
  expect(server.server.output()).not.toContain("/auth/enrol");
  await resp.command(...ruleOf("production"));
  await until(() => server.server.output().includes("/auth/enrol"));
});

test("RDS-1: every endpoint works, and Redis has refused nothing", async () => {
  await resp.command("ACL", "LOG", "RESET");
  const enrolled = { token: server.enrolmentToken(), username: "ada", password: GOOD };
  expect((await server.ask("POST", "/auth/enrol", { body: enrolled })).status).toBe(201);
  await server.register("bob");
  const [token, there] = [await server.token("ada"), await server.token("ada")];
  expect((await server.logIn("ada", BETTER)).status).toBe(401);
  expect(await server.profileStatus(token)).toBe(200);
  expect((await server.ask("GET", "/auth/sessions", { token })).status).toBe(200);
  const one = `/auth/sessions/${there.slice(0, 24)}`;
  expect((await server.ask("DELETE", one, { token })).status).toBe(204);
  const body = { current: GOOD, next: BETTER };
  const changed = await server.ask("POST", "/auth/password", { token, body });
  expect(changed.status).toBe(200);
  const renewed = { token: String(changed.body["token"]) };
  expect((await server.ask("POST", "/auth/logout", renewed)).status).toBe(204);
  expect(await resp.command("ACL", "LOG")).toEqual([]);
});

async function refusals(): Promise<number> {
  const log = await resp.command("ACL", "LOG");
  return Array.isArray(log) ? log.length : 0;
}

/** The line of a page that sets up a user. */
function ruleOf(page: string): [string, ...string[]] {
  const text = readFileSync(`${ROOT}/docs/guide/${page}.md`, "utf8");
  const [first, ...more] = /^ACL SETUSER .*$/m.exec(text)?.[0].split(" ") ?? [];
  if (first === undefined) throw new Error(`${page}.md sets up no user`);
  return [first, ...more];
}
