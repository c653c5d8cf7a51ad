/**
 * PRO-2, PRO-3, PRO-4, RDS-1, RDS-2, RDS-9: what a production server makes of the Redis that it finds.
 * The built server against real ones: with TLS, with users, full, read-only, somebody else's.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SessionError } from "latchkey";
import { connect } from "latchkey/redis";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { claimKeyspace } from "../apps/server/src/profile-marker.ts";
import { hopeless, judge, type RedisFacts } from "../apps/server/src/redis-checks.ts";
import { selfSigned, tlsArgs } from "./support/certificate.ts";
import { freePort } from "./support/free-port.ts";
import { productionEnv, secret } from "./support/production-env.ts";
import { startRedis, type TestRedis, type TestRedisOptions } from "./support/redis-server.ts";
import { connectResp, type Resp } from "./support/resp.ts";
import { runServer, startServer, type TestServer } from "./support/server.ts";
import { until } from "./support/until.ts";
import { startWholeRedis } from "./support/whole-redis.ts";

const CONFIG = 78;
/** Who our server is there: somebody who may not change settings. */
const APP = ["--user", "app", "on", ">pw", "~*", "&*", "+@all", "-@dangerous", "+info", "+role"];

let cwd: string;
const running: { stop(): Promise<void> }[] = [];

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), "latchkey-checks-"));
});

afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.stop();
});

afterAll(async () => {
  await rm(cwd, { recursive: true, force: true });
});

describe("a production server refuses a Redis", () => {
  test("RDS-2: that throws keys away when it is full; and starts when told that it is its own", async () => {
    const args = ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"];
    const { url } = await redisWith({ args });
    await refused("REDIS_URL", /noeviction/, productionEnv(url));
    const env = { ...productionEnv(url), REDIS_ALLOW_EVICTION: "dedicated-redis" };
    expect((await serve(env)).output()).toMatch(/^Warning: REDIS_ALLOW_EVICTION is used/m);
  });

  test("RDS-2: no policy throws anything away while there is no limit", async () => {
    const { url } = await redisWith({ args: ["--maxmemory-policy", "allkeys-lru"] });
    await serve(productionEnv(url));
  });

  test("that is a replica, also one that takes writes", async () => {
    const primary = await redisWith({});
    for (const readonly of ["yes", "no"]) {
      const to = ["--replicaof", `127.0.0.1 ${primary.redis.port}`];
      const auth = ["--masteruser", "app", "--masterauth", "pw"];
      const args = [...to, ...auth, "--replica-read-only", readonly];
      const replica = await redisWith({ args });
      await refused("REDIS_URL", /replica/, productionEnv(replica.url));
    }
  });

  test("RDS-1: that does not know our password", async () => {
    const { redis } = await redisWith({});
    const env = productionEnv(`redis://app:wrong-word@127.0.0.1:${redis.port}`);
    await refused("REDIS_URL", /no user and password that Redis accepts/, env);
  });

  test("RDS-1: on another host, that lets in whoever comes", async () => {
    // This machine, by an address that is not loopback by its spelling.
    const { redis, admin } = await redisWith({});
    const env = {
      ...productionEnv(`redis://app:pw@0.0.0.0:${redis.port}`),
      ACCEPT_PLAINTEXT_REDIS: "private-network",
    };
    await refused("REDIS_URL", /lets in whoever comes without a password/, env);
    await admin.command("ACL", "SETUSER", "default", ">theirs");
    expect((await serve(env)).output()).toMatch(/^Warning: ACCEPT_PLAINTEXT_REDIS /m);
  });

  test("RDS-1: whose certificate nobody has vouched for; not one that its authority has", async () => {
    const certificate = await selfSigned(cwd);
    const port = await freePort();
    await redisWith({ args: tlsArgs(port, certificate) });
    const env = productionEnv(`rediss://app:pw@127.0.0.1:${port}`);
    await refused("REDIS_URL", /certificate cannot be verified/, env);
    await serve({ ...env, NODE_EXTRA_CA_CERTS: certificate.cert });
    const wrongName = productionEnv(`rediss://app:pw@localhost:${port}`);
    await refused("REDIS_URL", /certificate cannot be verified/, {
      ...wrongName,
      NODE_EXTRA_CA_CERTS: certificate.cert,
    });
  });

  test("that does not let us see what it does when it is full", async () => {
    const { url, admin } = await redisWith({});
    await admin.command("ACL", "SETUSER", "app", "-info");
    await refused("REDIS_URL", /INFO/, productionEnv(url));
  });

  test("that forbids what sessions need", async () => {
    const { url, admin } = await redisWith({});
    await admin.command("ACL", "SETUSER", "app", "-eval");
    await refused("REDIS_URL", /may not do what sessions need/, productionEnv(url));
  });
});

test.each(["sentinel", "cluster"] as const)("a production server on a %s", async (topology) => {
  const redis = await startWholeRedis(topology);
  running.push(redis);
  const server = await serve(productionEnv(redis.url));
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  expect(JSON.parse(String(await redis.command("GET", "auth:profile"))).keyId).toBe("k1");
});

test("a replica that Sentinel or Cluster names is waited out: a failover may be under way", () => {
  const cause = new Error("READONLY You can't write against a read only replica.");
  const error = new SessionError("store-unavailable", "Redis is not reachable", { cause });
  expect(hopeless(error, "redis://h")?.code).toBe("redis_replica");
  expect(hopeless(error, "redis+sentinel://h/main")).toBeUndefined();
  expect(hopeless(error, "redis+cluster://h")).toBeUndefined();
});

describe("PRO-3 a production server warns of a Redis", () => {
  test("once each, and starts", async () => {
    const { url, redis, admin } = await redisWith({});
    expect(warnings(await serve(productionEnv(url)))).toEqual([
      expect.stringMatching(/^REDIS_URL points at a Redis that lets in every process/),
      // This one is 7.0: no release of that branch has the patches.
      expect.stringMatching(/^REDIS_URL points at a version that is known/),
      expect.stringMatching(/^REDIS_URL points at a Redis without AOF/),
    ]);
    await admin.command("ACL", "SETUSER", "default", ">pw");
    await admin.command("CONFIG", "SET", "appendonly", "yes");
    const own = warnings(await serve(productionEnv(`redis://:pw@127.0.0.1:${redis.port}`)));
    expect(own).toEqual([
      expect.stringMatching(/^REDIS_URL logs in as a user who may do more/),
      expect.stringMatching(/^REDIS_URL points at a version that is known/),
      expect.stringMatching(/^REDIS_URL logs in as the user `default`/),
    ]);
  });

  test("and of long lives and short passwords", async () => {
    const { url } = await redisWith({});
    const env = {
      ...productionEnv(url),
      SESSION_IDLE_SECONDS: "3601",
      SESSION_ABSOLUTE_SECONDS: "86401",
      PASSWORD_MIN_LENGTH: "14",
    };
    const output = (await serve(env)).output();
    for (const name of Object.keys(env).slice(-3)) {
      expect(output).toMatch(new RegExp(`^Warning: ${name} is [^\\n]+$`, "m"));
    }
  });

  test.each([
    ["redis", "6.2.19", true],
    ["redis", "6.2.20", false],
    ["redis", "7.0.15", true],
    ["redis", "7.2.10", true],
    ["redis", "7.2.11", false],
    ["redis", "7.4.6", false],
    ["redis", "8.0.3", true],
    ["redis", "8.2.1", true],
    ["redis", "8.2.2", false],
    ["redis", "8.4.0", false],
    ["redis", "9.0.0", false],
    ["redis", "unknown", true],
    ["valkey", "7.2.11", false],
    ["valkey", "8.0.5", true],
    ["valkey", "8.1.4", false],
    ["valkey", "9.0.0", false],
  ])("RDS-9: %s %s: %s", (product, version, warns) => {
    const valkey = [
      ["redis_version", "7.2.4"],
      ["valkey_version", version],
    ] as const;
    const info = new Map(product === "valkey" ? valkey : [["redis_version", version]]);
    const codes = judge({ ...FINE, info }).warnings.map(({ code }) => code);
    expect(codes.includes("redis_unpatched")).toBe(warns);
  });
});

const FINE: Omit<RedisFacts, "info"> = {
  isLocal: true,
  letsAnyoneIn: false,
  mayConfigure: false,
  allowsEviction: false,
};

describe("PRO-4 whose keyspace", () => {
  test("the first production server marks it, and the next of the same ring starts", async () => {
    const { url, admin } = await redisWith({});
    const env = productionEnv(url);
    await serve(env);
    const marker = String(await admin.command("GET", "auth:profile"));
    expect(JSON.parse(marker)).toEqual({
      profile: "production",
      layout: "split",
      keyId: "k1",
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:]+\.000Z$/),
    });
    await serve(env);
    expect(await admin.command("GET", "auth:profile")).toBe(marker);
  });

  test("of two that start at once with different keys, one is refused", async () => {
    const { url, admin } = await redisWith({});
    const driver = await connect(url);
    running.push({ stop: () => driver.close() });
    // Both have seen an empty keyspace before either writes: GET and then SET would let both in.
    let looks = 0;
    const slow = {
      async command(key: string, args: readonly string[]) {
        const reply = await driver.command(key, args);
        if (args[0] !== "GET") return reply;
        looks += 1;
        await until(() => looks === 2);
        return reply;
      },
    };
    const claims = ["left", "right"].map((id) =>
      claimKeyspace(slow, "auth:profile", { profile: "production", keyIds: [id] }),
    );
    const codes = (await Promise.all(claims)).map((refusal) => refusal?.code);
    const { keyId } = JSON.parse(String(await admin.command("GET", "auth:profile")));
    const [won, lost] = [undefined, "keyspace_other_keys"];
    expect(codes).toEqual(keyId === "left" ? [won, lost] : [lost, won]);
  });

  test("a ring moves on: added last, put first, the old one removed", async () => {
    const { url, admin } = await redisWith({});
    const [k1, k2] = [`k1:${secret()}`, `k2:${secret()}`];
    const withRing = (ring: string) => ({ ...productionEnv(url), AUTH_SECRETS: ring });
    const keyId = async () => JSON.parse(String(await admin.command("GET", "auth:profile"))).keyId;
    await serve(withRing(k1));
    await refused("AUTH_SECRETS", /auth:profile/, withRing(k2));
    await serve(withRing(`${k1},${k2}`));
    expect(await keyId()).toBe("k1");
    await serve(withRing(`${k2},${k1}`));
    expect(await keyId()).toBe("k2");
    await serve(withRing(k2));
    await refused("AUTH_SECRETS", /auth:profile/, withRing(k1));
  });

  test.each([
    ["a demo's", ["SET", "demo"], "REDIS_URL", /another profile/],
    ["another layout's", ["SET", marker({ layout: "literal" })], "REDIS_URL", /something else/],
    ["one that is being moved", ["SET", marker({ profile: "migrating" })], "REDIS_URL", /else/],
    ["other keys'", ["SET", marker({ keyId: "k9" })], "AUTH_SECRETS", /no key of the id/],
    ["no auth server's", ["SET", "{"], "REDIS_URL", /something else/],
    ["not even a string", ["LPUSH", "demo"], "REDIS_URL", /something else/],
  ] as const)("production stays off what is %s", async (_whose, [verb, value], setting, why) => {
    const { url, admin } = await redisWith({});
    await admin.command(verb, "shop:auth:profile", value);
    await refused(setting, why, { ...productionEnv(url), SESSION_PREFIX: "shop:" });
    if (verb === "SET") expect(await admin.command("GET", "shop:auth:profile")).toBe(value);
  });

  test.each([
    ["of today", marker({})],
    ["of an earlier version", "production"],
  ])("PRO-1: a demo stays off the keyspace of a production server %s", async (_when, value) => {
    const { url, admin } = await redisWith({});
    await admin.command("SET", "auth:profile", value);
    await refused("REDIS_URL", /another profile/, { REDIS_URL: url });
    expect(await admin.command("GET", "auth:profile")).toBe(value);
  });

  test("the word of an earlier version is made a marker of today", async () => {
    const { url, admin } = await redisWith({});
    await admin.command("SET", "auth:profile", "production");
    await serve(productionEnv(url));
    expect(JSON.parse(String(await admin.command("GET", "auth:profile"))).keyId).toBe("k1");
  });

  test("a full Redis is no reason not to start on a keyspace that is ours", async () => {
    const { url, admin } = await redisWith({});
    const env = productionEnv(url);
    await serve(env);
    await admin.command("CONFIG", "SET", "maxmemory", "1");
    await expect(admin.command("SET", "auth:profile", "x", "NX", "GET")).rejects.toThrow("OOM");
    const server = await serve(env);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  });
});

interface Guarded {
  readonly redis: TestRedis;
  /** With the user of our server. */
  readonly url: string;
  /** As the user `default`, who has no password at first. */
  readonly admin: Resp;
}

async function redisWith({ args = [] }: TestRedisOptions): Promise<Guarded> {
  const redis = await startRedis({ args: [...APP, ...args] });
  running.push(redis);
  const admin = await connectResp(redis.port);
  running.push({ stop: async () => admin.close() });
  return { redis, admin, url: `redis://app:pw@127.0.0.1:${redis.port}` };
}

async function serve(env: Readonly<Record<string, string>>): Promise<TestServer> {
  const server = await startServer({ env, cwd });
  running.push(server);
  return server;
}

async function refused(
  setting: string,
  why: RegExp,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const { code, output } = await runServer({ env, cwd });
  expect(output).toMatch(new RegExp(`^${setting} [^\\n]+\\n$`));
  expect(output).toMatch(why);
  expect(code).toBe(CONFIG);
}

function warnings(server: TestServer): string[] {
  return [...server.output().matchAll(/^Warning: (.*)$/gm)].map(([, text = ""]) => text);
}

function marker(changed: Readonly<Record<string, string>>): string {
  const createdAt = "2026-01-01T00:00:00.000Z";
  return JSON.stringify({
    ...{ profile: "production", layout: "split", keyId: "k1", createdAt },
    ...changed,
  });
}
