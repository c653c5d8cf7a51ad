/** PRO-2, PRO-4, PRO-5: what a server of each profile is once it runs, and when it stops being it. */
import { once } from "node:events";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nearCache } from "latchkey/near-cache";
import { connect, redisStore } from "latchkey/redis";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { demoApp } from "../apps/server/src/assembly.ts";
import { readConfig } from "../apps/server/src/config/config.ts";
import { GatedStore } from "../apps/server/src/gated-store.ts";
import { LiveSessions } from "../apps/server/src/live/live-sessions.ts";
import { claimKeyspace, MARKER_LOOK_MS, watchKeyspace } from "../apps/server/src/profile-marker.ts";
import { login, postLogin, profile, type Reachable } from "./support/http.ts";
import { PUBLIC_ORIGIN, productionEnv, secret } from "./support/production-env.ts";
import { rawRequest } from "./support/raw-http.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { respOnce } from "./support/resp.ts";
import { startServer, type TestServer } from "./support/server.ts";
import { until } from "./support/until.ts";
import { untilWritten } from "./support/written.ts";

let redis: TestRedis;
let cwd: string;
const running: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  redis = await startRedis({ args: ["--appendonly", "yes"] });
  cwd = await mkdtemp(join(tmpdir(), "latchkey-profiles-"));
});

afterEach(async () => {
  for (const stop of running.splice(0).reverse()) await stop();
  await respOnce(redis.port, "FLUSHALL");
});

afterAll(async () => {
  await redis?.stop();
  await rm(cwd, { recursive: true, force: true });
});

describe("PRO-5 the demo says so", () => {
  test("in a line at its start, and in every response", async () => {
    const server = await serve({ REDIS_URL: redis.url });
    expect(server.output()).toMatch(
      /^Demo profile: whoever reaches this server can log in as any/m,
    );
    const id = await login(server, "ada");
    const answers = await Promise.all([
      ...["/", "/livez", "/readyz", "/nowhere", "/auth/login"].map((at) => fetch(server.url + at)),
      profile(server, id),
      profile(server, "malformed"),
      postLogin(server, { username: "" }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 404, 405, 200, 401, 400]);
    for (const { headers } of answers) expect(headers.get("x-auth-profile")).toBe("demo-insecure");
    const evil = await rawRequest(server.port, ["GET / HTTP/1.1"], "", "evil.example");
    expect(evil.status).toBe(403);
    expect(evil.head).toContain("X-Auth-Profile: demo-insecure");
  });

  test("PRO-1: and warns of a Redis on another host", async () => {
    // This machine, by an address that is not loopback by its spelling.
    const server = await serve({ REDIS_URL: `redis://0.0.0.0:${redis.port}` });
    // It is on stderr, and the line that says that it listens is on stdout: which comes first?
    await until(() => /^Warning: REDIS_URL is on another host: [^\n]+$/m.test(server.output()));
    expect((await serve({ REDIS_URL: redis.url })).output()).not.toContain("Warning");
  });
});

describe("PRO-2 production", () => {
  test("PWD-1: believes no username, and has no header of the demo", async () => {
    const server = await serve(productionEnv(redis.url));
    const loggedIn = await ask(server, "POST", "/auth/login", { json: '{"username":"ada"}' });
    expect([loggedIn.status, loggedIn.code]).toEqual([400, "invalid_request"]);
    expect(loggedIn.head).not.toContain("X-Auth-Profile");
    expect(server.output()).not.toMatch(/demo/i);
  });

  test("a key made by hand is no session, whatever it is presented as", async () => {
    const server = await serve(productionEnv(redis.url));
    const id = "handmadehandmadehandmade";
    await respOnce(redis.port, "SET", `session:${id}`, "eve", "EX", "60");
    for (const token of [id, `${id}.${"A".repeat(32)}`]) {
      for (const header of [`x-session-id: ${token}`, `Cookie: __Host-sid=${token}`]) {
        expect(await ask(server, "GET", "/profile", { header })).toMatchObject({ status: 401 });
      }
    }
  });

  test("PRX-2: answers by its public name only; health is asked for by address", async () => {
    const server = await serve(productionEnv(redis.url));
    for (const host of ["evil.example", "localhost", "app.example.org.evil.example"]) {
      expect(await ask(server, "GET", "/profile", { host })).toMatchObject({ status: 421 });
    }
    expect(await ask(server, "GET", "/profile")).toMatchObject({ status: 401 });
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  });

  test("takes its secrets from a file of its own", async () => {
    const file = join(cwd, "ring");
    await writeFile(file, `k1:${secret()}\nk2:${secret()}\n`, { mode: 0o400 });
    expect((await stat(file)).mode & 0o777).toBe(0o400);
    const { AUTH_SECRETS: _, ...env } = productionEnv(redis.url);
    await serve({ ...env, AUTH_SECRETS_FILE: file });
  });
});

describe("PRO-2 production without Redis", () => {
  test("starts not-ready, 503 for all that needs Redis, and is ready once Redis is", async () => {
    await redis.kill("SIGKILL");
    const server = await serve(productionEnv(redis.url));
    expect((await fetch(`${server.url}/livez`)).status).toBe(200);
    const unavailable = { status: 503, code: "store_unavailable" };
    const header = `x-session-id: ${"A".repeat(24)}.${"A".repeat(32)}`;
    expect(await ask(server, "GET", "/readyz")).toMatchObject(unavailable);
    expect(await ask(server, "GET", "/profile", { header })).toMatchObject(unavailable);
    await redis.restart();
    await until(async () => (await fetch(`${server.url}/readyz`)).status === 200);
    expect(await ask(server, "GET", "/profile", { header })).toMatchObject({ status: 401 });
    expect(server.output()).toMatch(/^REDIS_URL: Redis is not reachable[^\n]+$/m);
    expect(server.output()).toMatch(/^Connected to Redis$/m);
  });

  test("stops as any other while it waits", async () => {
    const server = await serve(productionEnv("redis://app:pw@127.0.0.1:1"));
    expect(await server.kill("SIGTERM")).toBe(0);
  });

  test("ends with 78 when the Redis that comes must not be used", async () => {
    await respOnce(redis.port, "SET", "auth:profile", "demo");
    await untilWritten(redis.port);
    await redis.kill("SIGKILL");
    const server = await serve(productionEnv(redis.url));
    expect(await ask(server, "GET", "/readyz")).toMatchObject({ status: 503 });
    await redis.restart();
    expect(await server.exited).toBe(78);
    expect(server.output()).toMatch(/^REDIS_URL points at sessions of another profile[^\n]+\n$/m);
  });
});

describe("PRO-4 a keyspace that becomes somebody else's", () => {
  test("is noticed at the next look, told once, and never looked at again", async () => {
    const driver = await connect(redis.url);
    running.push(() => driver.close());
    const claim = () => claimKeyspace(driver, "auth:profile", { profile: "demo" });
    const told: string[] = [];
    const ticks = manual();
    expect(await claim()).toBeUndefined();
    watchKeyspace(claim, ({ code }) => told.push(code), ticks.every);
    expect(ticks.periods).toEqual([MARKER_LOOK_MS]);
    await ticks.tick();
    // Emptied, as by FLUSHALL: whoever comes next must find whose it is.
    await respOnce(redis.port, "DEL", "auth:profile");
    await ticks.tick();
    await until(async () => (await respOnce(redis.port, "GET", "auth:profile")) === "demo");
    expect(told).toEqual([]);
    await respOnce(redis.port, "SET", "auth:profile", "production");
    await ticks.tick();
    await until(() => told.length > 0);
    expect(told).toEqual(["keyspace_other_profile"]);
    expect(ticks.periods).toEqual([]);
  });

  test("a look that Redis does not answer says nothing", async () => {
    const told: unknown[] = [];
    const ticks = manual();
    let looks = 0;
    watchKeyspace(
      async () => {
        looks += 1;
        throw new Error("no answer");
      },
      (refusal) => told.push(refusal),
      ticks.every,
    );
    await ticks.tick();
    await ticks.tick();
    expect([looks, told]).toEqual([2, []]);
  });

  test("from then on all is 503, also what this process remembers", async () => {
    const driver = await connect(redis.url);
    const cache = nearCache(await redisStore({ driver }));
    const gate = new GatedStore("not yet");
    const server = await inProcess(gate);
    running.push(async () => {
      await cache.close();
      await driver.close();
    });
    expect((await postLogin(server, { username: "ada" })).status).toBe(503);
    gate.open(cache);
    const id = await login(server, "ada");
    expect((await profile(server, id)).status).toBe(200);
    gate.shut("somebody else's");
    expect((await profile(server, id)).status).toBe(503);
    expect((await postLogin(server, { username: "ada" })).status).toBe(503);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(503);
  });
});

async function serve(env: Readonly<Record<string, string>>): Promise<TestServer> {
  const server = await startServer({ env, cwd });
  running.push(() => server.stop());
  return server;
}

/** The demo's app in this process, on a store that the test has in its hands. */
async function inProcess(store: GatedStore): Promise<Reachable> {
  const config = readConfig({}, []);
  if (config.profile !== "demo") throw new Error("no setting means the demo");
  const app = demoApp(config, {
    backing: { kind: "redis", store, ping: async () => store.check(), close: async () => {} },
    log: { write: () => {}, audit: () => {} },
    live: new LiveSessions(),
    isDraining: () => false,
  });
  const server = createServer(app).listen(0, "127.0.0.1");
  await once(server, "listening");
  running.push(async () => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** A timer that ticks when it is told to. */
function manual() {
  const periods: number[] = [];
  let work = (): void => {};
  return {
    periods,
    every(ms: number, next: () => void) {
      periods.push(ms);
      work = next;
      return () => periods.splice(0);
    },
    async tick() {
      work();
      await new Promise(setImmediate);
    },
  };
}

async function ask(
  server: TestServer,
  method: string,
  path: string,
  { json = "", header, host }: { json?: string; header?: string; host?: string } = {},
) {
  const lines = [`${method} ${path} HTTP/1.1`, "Content-Type: application/json"];
  if (header !== undefined) lines.push(header);
  const answer = await rawRequest(server.port, lines, json, host ?? new URL(PUBLIC_ORIGIN).host);
  return { status: answer.status, head: answer.head, code: codeOf(answer.body) };
}

function codeOf(body: string): unknown {
  return body.startsWith("{") ? JSON.parse(body).code : undefined;
}
