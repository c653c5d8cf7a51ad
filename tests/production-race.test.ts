/** END-9: the production app in this process, with a step of somebody else between two of its own. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createSessions, type SessionStore } from "latchkey";
import { connect, type RedisDriver, redisStore } from "latchkey/redis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { productionApp } from "../apps/server/src/assembly.ts";
import { readConfig } from "../apps/server/src/config/config.ts";
import { LiveSessions } from "../apps/server/src/live/live-sessions.ts";
import { type Answered, GOOD, ProductionServer } from "./support/production.ts";
import { productionEnv } from "./support/production-env.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { respOnce } from "./support/resp.ts";

/** What is tested is what is answered, on however busy a machine. */
const PATIENT = { callTimeoutMs: 30_000 };
const ACCOUNT = "{user:ada}:account";

let redis: TestRedis;
let driver: RedisDriver;
let store: SessionStore;
let listening: Server;
let server: ProductionServer;
/** Called whenever the account has been read. */
let between = async (): Promise<unknown> => undefined;

beforeAll(async () => {
  redis = await startRedis();
  driver = await connect(redis.url, PATIENT);
  store = await redisStore({ driver });
  const env = { ...productionEnv(redis.url), TRUST_PROXY: "127.0.0.1", AUTH_REGISTRATION: "open" };
  const config = readConfig(env, []);
  if (config.profile !== "production") throw new Error("not production");
  const { app } = productionApp(config, {
    backing: { kind: "redis", store, scripts: { script }, opened: Promise.resolve(), ping, close },
    log: { write: () => {}, audit: () => {} },
    live: new LiveSessions(),
    isDraining: () => false,
  });
  listening = createServer(app).listen(0, "127.0.0.1");
  await once(listening, "listening");
  const { port } = listening.address() as AddressInfo;
  server = ProductionServer.at(`http://127.0.0.1:${port}`);
  await server.register("ada");
});

afterAll(async () => {
  listening?.close();
  await store?.close();
  await driver?.close();
  await redis?.stop();
});

test("END-9: a login whose password was read before a revoke-all of the user is refused", async () => {
  between = () => createSessions({ store }).revokeUser("ada");
  const late = await server.logIn("ada");
  expect([late.status, late.body["code"]]).toEqual([401, "invalid_credentials"]);
  expect(await sessionsOfAda()).toEqual([]);
  between = async () => undefined;
  expect((await server.logIn("ada")).status).toBe(200);
});

test("END-9: so is a re-authentication, and no session comes of it", async () => {
  const token = await server.token("ada");
  between = () => createSessions({ store }).revokeUser("ada");
  const again: Answered = await server.ask("POST", "/auth/reauthenticate", {
    token,
    body: { password: GOOD },
  });
  between = async () => undefined;
  expect(again.status).toBe(401);
  expect(await sessionsOfAda()).toEqual([]);
});

test("END-2: a password changed for a session that was ended meanwhile does not bring it back", async () => {
  const token = await server.token("ada");
  between = () => respOnce(redis.port, "DEL", `session:${token.slice(0, 24)}`);
  const body = { current: GOOD, next: "kessel otter violine tau" };
  const changed = await server.ask("POST", "/auth/password", { token, body });
  between = async () => undefined;
  expect([changed.status, changed.body["code"]]).toEqual([401, "invalid_session"]);
  expect(await sessionsOfAda()).toEqual([]);
  expect((await server.logIn("ada", "kessel otter violine tau")).status).toBe(200);
});

// The naive version spared whatever the token had become: the thief stayed, and the owner was out.
test("RAU-2: who has the token and the old password, and is quicker, stays no longer than the owner", async () => {
  const [old, next] = ["kessel otter violine tau", "mango zirkel pflaume dock"];
  const token = (await server.logIn("ada", old)).body["token"];
  let stolen: Answered | undefined;
  between = async () => {
    between = async () => undefined;
    const body = { password: old };
    stolen = await server.ask("POST", "/auth/reauthenticate", { token: String(token), body });
  };
  const body = { current: old, next };
  const changed = await server.ask("POST", "/auth/password", { token: String(token), body });
  expect([stolen?.status, changed.status]).toEqual([200, 401]);
  expect(await sessionsOfAda()).toEqual([]);
  expect((await server.logIn("ada", next)).status).toBe(200);
});

const script: RedisDriver["script"] = async (text, keys, args, moving) => {
  const reply = await driver.script(text, keys, args, moving);
  // Only `find` has no argument.
  if (keys[0] === ACCOUNT && args.length === 0) await between();
  return reply;
};

async function sessionsOfAda(): Promise<readonly unknown[]> {
  return createSessions({ store }).list("ada");
}

async function ping(): Promise<void> {}
async function close(): Promise<void> {}
