/** Starts that must fail: one clear line per problem, and the exit code of its kind. */
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { login, profile } from "./support/http.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { respOnce } from "./support/resp.ts";
import { runServer, startServer } from "./support/server.ts";
import { until } from "./support/until.ts";

const CONFIG = 78;
const UNAVAILABLE = 69;
const NOBODY = "redis://127.0.0.1:1";

let redis: TestRedis;
let cwd: string;

beforeAll(async () => {
  redis = await startRedis();
  cwd = await mkdtemp(join(tmpdir(), "latchkey-start-"));
});

afterAll(async () => {
  await redis?.stop();
  await rm(cwd, { recursive: true, force: true });
});

describe("a bad setting: exit 78, its name first, its value never", () => {
  test.each<[string, Record<string, string>]>([
    ["PORT", { PORT: "http" }],
    ["PORT", { PORT: "65536" }],
    ["PORT", { PORT: "-1" }],
    ["PORT", { PORT: "3000.5" }],
    ["SESSION_TTL_SECONDS", { SESSION_TTL_SECONDS: "0" }],
    ["SESSION_TTL_SECONDS", { SESSION_TTL_SECONDS: "1h" }],
    ["SESSION_TTL_SECONDS", { SESSION_TTL_SECONDS: "34560001" }],
    ["SESSION_PREFIX", { SESSION_PREFIX: "{a}" }],
    ["SESSION_PREFIX", { SESSION_PREFIX: "a*" }],
    ["NEAR_CACHE_ENTRIES", { NEAR_CACHE_ENTRIES: "1000001" }],
    ["NEAR_CACHE_ENTRIES", { NEAR_CACHE_ENTRIES: "all" }],
    ["REDIS_URL", { REDIS_URL: "localhost:6379" }],
    ["REDIS_URL", { REDIS_URL: "http://localhost:6379" }],
    ["REDIS_URL", { REDIS_URL: "redis://localhost:port" }],
    ["REDIS_URL", { REDIS_URL: "redis+cluster://a:1,b:x" }],
    ["REDIS_URL", { REDIS_URL: "redis+sentinel://a:1" }],
    ["REDIS_URL", { REDIS_URL: "redis://127.0.0.1:1/abc" }],
    ["HOST", { HOST: "0.0.0.0" }],
    ["HOST", { HOST: "192.0.2.1" }],
    ["AUTH_DEMO_EXPOSE", { HOST: "0.0.0.0", AUTH_DEMO_EXPOSE: "yes" }],
    ["AUTH_PROFILE", { AUTH_PROFILE: "demonstration" }],
    ["AUTH_PROFILE", { NODE_ENV: "production" }],
  ])("%s: %o", async (name, env) => {
    const { code, output } = await runServer({ env: { REDIS_URL: NOBODY, ...env }, cwd });
    expect(code).toBe(CONFIG);
    expect(output).toMatch(new RegExp(`^${name} [^\\n]+\\n$`));
  });

  test("all problems at once", async () => {
    const bad = { PORT: "x", HOST: "0.0.0.0", SESSION_TTL_SECONDS: "x", REDIS_URL: "secret-word" };
    const { code, output } = await runServer({ env: bad, cwd });
    expect(code).toBe(CONFIG);
    const names = output
      .trimEnd()
      .split("\n")
      .map((line) => line.split(" ")[0]);
    expect(names.sort()).toEqual(["HOST", "PORT", "REDIS_URL", "SESSION_TTL_SECONDS"]);
    expect(output).not.toContain("secret-word");
  });

  test("an unknown flag", async () => {
    const { code, output } = await runServer({ args: ["--in-memory"], cwd });
    expect(code).toBe(CONFIG);
    expect(output).toBe("unknown flag: only --memory and --no-install are known\n");
  });

  test("a setting of .env counts, and the environment wins over it", async () => {
    await writeFile(join(cwd, ".env"), "SESSION_TTL_SECONDS=never\n");
    try {
      const { code, output } = await runServer({ env: { REDIS_URL: NOBODY }, cwd });
      expect(code).toBe(CONFIG);
      expect(output).toMatch(/^SESSION_TTL_SECONDS /);
      const env = { REDIS_URL: redis.url, SESSION_TTL_SECONDS: "60" };
      const server = await startServer({ env, cwd });
      await server.stop();
    } finally {
      await rm(join(cwd, ".env"));
    }
  });
});

describe("something outside is not there: exit 69, one line", () => {
  test("no Redis at REDIS_URL: never a fall back to another", async () => {
    const { code, output } = await runServer({ env: { REDIS_URL: NOBODY }, cwd });
    expect(code).toBe(UNAVAILABLE);
    expect(output).toMatch(/^REDIS_URL: Redis is not reachable: [^\n]+\n$/);
  });

  test("something at REDIS_URL that never answers", async () => {
    const mute = createServer().listen(0, "127.0.0.1");
    await once(mute, "listening");
    const address = mute.address();
    const port = typeof address === "object" ? address?.port : undefined;
    try {
      const { code, output } = await runServer({
        env: { REDIS_URL: `redis://user:secret-word@127.0.0.1:${port}` },
        cwd,
      });
      expect(code).toBe(UNAVAILABLE);
      expect(output).toMatch(/^REDIS_URL: Redis is not reachable: [^\n]+\n$/);
      expect(output).not.toContain("secret-word");
    } finally {
      mute.close();
    }
  });

  test("a wrong password", async () => {
    const locked = await startRedis({ args: ["--requirepass", "right"] });
    try {
      const url = `redis://:secret-word@127.0.0.1:${locked.port}`;
      const { code, output } = await runServer({ env: { REDIS_URL: url }, cwd });
      expect(code).toBe(UNAVAILABLE);
      expect(output).toMatch(/^REDIS_URL: Redis is not reachable: [^\n]+\n$/);
      expect(output).not.toContain("secret-word");
    } finally {
      await locked.stop();
    }
  });

  test("the port is taken", async () => {
    const server = await startServer({ env: { REDIS_URL: redis.url }, cwd });
    try {
      const env = { REDIS_URL: redis.url, PORT: String(server.port) };
      const { code, output } = await runServer({ env, cwd });
      expect(code).toBe(UNAVAILABLE);
      expect(output).toMatch(/^PORT is already in use[^\n]+$/m);
    } finally {
      await server.stop();
    }
  });
});

describe("whose keyspace", () => {
  test("a demo server stays off the sessions of a production server", async () => {
    await respOnce(redis.port, "SET", "theirs:auth:profile", "production");
    const env = { REDIS_URL: redis.url, SESSION_PREFIX: "theirs:" };
    const { code, output } = await runServer({ env, cwd });
    expect(code).toBe(CONFIG);
    expect(output).toMatch(/^REDIS_URL [^\n]*theirs:auth:profile[^\n]*\n$/);
    expect(await respOnce(redis.port, "GET", "theirs:auth:profile")).toBe("production");
  });

  test("it marks its own, and two prefixes on one Redis share nothing", async () => {
    const servers = await Promise.all(
      ["session:", "shop:"].map((SESSION_PREFIX) =>
        startServer({ env: { REDIS_URL: redis.url, SESSION_PREFIX }, cwd }),
      ),
    );
    try {
      expect(await respOnce(redis.port, "GET", "auth:profile")).toBe("demo");
      expect(await respOnce(redis.port, "GET", "shop:auth:profile")).toBe("demo");
      const [first, second] = servers;
      if (first === undefined || second === undefined) throw new Error("two were started");
      const sessionId = await login(first, "ada");
      expect((await profile(first, sessionId)).status).toBe(200);
      expect((await profile(second, sessionId)).status).toBe(401);
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
    }
  });
});

describe("stopping", () => {
  test("SIGTERM: a request under way is finished, then exit 0", async () => {
    const server = await startServer({ env: { REDIS_URL: redis.url }, cwd });
    // A body that is not complete yet holds the request open across the signal.
    let finish: (() => void) | undefined;
    const body = new ReadableStream({
      start(stream) {
        stream.enqueue(new TextEncoder().encode('{"username":'));
        finish = () => {
          stream.enqueue(new TextEncoder().encode('"ada"}'));
          stream.close();
        };
      },
    });
    const pending = fetch(`${server.url}/auth/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
      duplex: "half",
    } as RequestInit);
    // The server has it once it is counted; a second request proves that the first was read.
    expect((await fetch(`${server.url}/livez`)).status).toBe(200);
    const exit = server.kill("SIGTERM");
    await until(() =>
      fetch(`${server.url}/livez`).then(
        () => false,
        () => true,
      ),
    );
    finish?.();
    expect((await pending).status).toBe(200);
    expect(await exit).toBe(0);
  });

  test("an idle keep-alive connection does not hold it up", async () => {
    const server = await startServer({ env: { REDIS_URL: redis.url }, cwd });
    expect((await fetch(`${server.url}/livez`)).status).toBe(200);
    expect(await server.kill("SIGINT")).toBe(0);
  });

  test("--memory is loud, needs no Redis, and readyz tells", async () => {
    const server = await startServer({ args: ["--memory"], cwd });
    try {
      expect(server.output()).toContain("NO REDIS");
      expect(server.output()).not.toContain("Connected to Redis");
      const ready = await fetch(`${server.url}/readyz`);
      expect(await ready.json()).toEqual({ status: "ready", store: "memory" });
    } finally {
      await server.stop();
    }
  });
});
