/**
 * PRO-1, PRO-2, CRY-5, RDS-1, RDS-2: starts that each profile refuses. Every row starts the built
 * server: exit 78, one line that begins with the name of the setting, no value in it.
 *
 * The port that each is given is taken. A server that listened before it checked would end with 69
 * for that, so 78 also says that nothing was listening, not even for a moment.
 */
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { productionEnv, secret } from "./support/production-env.ts";
import { runServer } from "./support/server.ts";

const CONFIG = 78;
const NOBODY = "redis://app:pw@127.0.0.1:1";
/** Published on docs/guide/production.md. */
const PUBLISHED = "b04f5c2ae04622cdea132daabf9338043177d41d1538140422bbe46c90a3eda1";
const SHA256_OF_SECRET = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
const ONE = secret();

/** What is wrong, the setting that must be named, and the environment; undefined: not set. */
type Row = readonly [string, string, Readonly<Record<string, string | undefined>>];

let cwd: string;
let taken: Server;
let port: string;

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), "latchkey-table-"));
  taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const address = taken.address();
  port = String(typeof address === "object" ? address?.port : 0);
  await writeFile(join(cwd, "open"), `k1:${secret()}\n`);
  await chmod(join(cwd, "open"), 0o644);
  await writeFile(join(cwd, "weak"), `k1:${secret()}\nk2:${"ab".repeat(32)}\n`, { mode: 0o400 });
  await writeFile(join(cwd, "empty"), "\n", { mode: 0o400 });
});

afterAll(async () => {
  taken?.close();
  await rm(cwd, { recursive: true, force: true });
});

describe("PRO-1 the demo refuses", () => {
  const rows: readonly Row[] = [
    ["to be a demo by mistake", "AUTH_PROFILE", { NODE_ENV: "production" }],
    ["a word that is no profile", "AUTH_PROFILE", { AUTH_PROFILE: "prod" }],
    ["every address", "HOST", { HOST: "0.0.0.0" }],
    ["every IPv6 address", "HOST", { HOST: "::" }],
    ["a name that is not loopback by its spelling", "HOST", { HOST: "localhost.example.org" }],
    ["an https origin", "PUBLIC_ORIGIN", { PUBLIC_ORIGIN: "https://localhost:3000" }],
    ["an origin elsewhere", "PUBLIC_ORIGIN", { PUBLIC_ORIGIN: "http://app.example.org" }],
    ["a trusted proxy", "TRUST_PROXY", { TRUST_PROXY: "127.0.0.1" }],
    ["Redis over TLS", "REDIS_URL", { REDIS_URL: "rediss://app:pw@127.0.0.1:1" }],
    ["secrets", "AUTH_SECRETS", { AUTH_SECRETS: `k1:${ONE}` }],
    ["a file of secrets", "AUTH_SECRETS_FILE", { AUTH_SECRETS_FILE: "/run/secrets/ring" }],
    ["registration", "AUTH_REGISTRATION", { AUTH_REGISTRATION: "closed" }],
    ["an idle timeout", "SESSION_IDLE_SECONDS", { SESSION_IDLE_SECONDS: "1800" }],
    ["an absolute timeout", "SESSION_ABSOLUTE_SECONDS", { SESSION_ABSOLUTE_SECONDS: "3600" }],
    ["a cap", "SESSION_MAX_PER_USER", { SESSION_MAX_PER_USER: "10" }],
    ["a rule for passwords", "PASSWORD_MIN_LENGTH", { PASSWORD_MIN_LENGTH: "15" }],
    ["a pepper", "AUTH_PEPPER", { AUTH_PEPPER: "on" }],
    ["eviction", "REDIS_ALLOW_EVICTION", { REDIS_ALLOW_EVICTION: "dedicated-redis" }],
    ["plaintext", "ACCEPT_PLAINTEXT_REDIS", { ACCEPT_PLAINTEXT_REDIS: "private-network" }],
  ];
  test.concurrent.each(rows)("%s: %s", async (_what, setting, env) => {
    await refused(setting, { REDIS_URL: NOBODY, ...env });
  });
});

describe("PRO-2 production refuses", () => {
  const rows: readonly Row[] = [
    ["no Redis", "REDIS_URL", { REDIS_URL: undefined }],
    ["no origin", "PUBLIC_ORIGIN", { PUBLIC_ORIGIN: undefined }],
    ["an http origin", "PUBLIC_ORIGIN", { PUBLIC_ORIGIN: "http://app.example.org" }],
    ["an origin with a path", "PUBLIC_ORIGIN", { PUBLIC_ORIGIN: "https://app.example.org/" }],
    ["an origin with a user", "PUBLIC_ORIGIN", { PUBLIC_ORIGIN: "https://a@app.example.org" }],
    ["an origin with a wildcard", "PUBLIC_ORIGIN", { PUBLIC_ORIGIN: "https://*.example.org" }],
    ["a life of the demo", "SESSION_TTL_SECONDS", { SESSION_TTL_SECONDS: "3600" }],
    ["a shield of the demo", "AUTH_DEMO_EXPOSE", { AUTH_DEMO_EXPOSE: "published-on-loopback" }],
    ["idle above absolute", "SESSION_IDLE_SECONDS", { SESSION_IDLE_SECONDS: "43201" }],
    ["over 400 days", "SESSION_ABSOLUTE_SECONDS", { SESSION_ABSOLUTE_SECONDS: "34560001" }],
    ["no sessions at all", "SESSION_MAX_PER_USER", { SESSION_MAX_PER_USER: "0" }],
    ["passwords of 7", "PASSWORD_MIN_LENGTH", { PASSWORD_MIN_LENGTH: "7" }],
    ["passwords of 65", "PASSWORD_MIN_LENGTH", { PASSWORD_MIN_LENGTH: "65" }],
    ["an unknown level", "LOG_LEVEL", { LOG_LEVEL: "verbose" }],
    ["half a registration", "AUTH_REGISTRATION", { AUTH_REGISTRATION: "invited" }],
    ["eviction without its reason", "REDIS_ALLOW_EVICTION", { REDIS_ALLOW_EVICTION: "yes" }],
    ["plaintext without its reason", "ACCEPT_PLAINTEXT_REDIS", { ACCEPT_PLAINTEXT_REDIS: "true" }],
  ];
  test.concurrent.each(rows)("%s: %s", async (_what, setting, env) => {
    await refused(setting, { ...productionEnv(NOBODY), ...env });
  });

  test("a store in memory: --memory", async () => {
    await refused("--memory", productionEnv(NOBODY), ["--memory"]);
  });

  test("all at once, one line each", async () => {
    const env = {
      AUTH_PROFILE: "production",
      PORT: "x",
      TRUST_PROXY: "*",
      AUTH_SECRETS: "hunter2",
    };
    const { code, output } = await runServer({ env, cwd });
    expect(code).toBe(CONFIG);
    const names = output.trimEnd().split("\n");
    expect(names.map((line) => line.split(" ")[0]).sort()).toEqual([
      ...["AUTH_SECRETS", "PORT", "PUBLIC_ORIGIN", "REDIS_URL", "TRUST_PROXY"],
    ]);
    expect(output).not.toContain("hunter2");
  });
});

describe("CRY-5 production refuses secrets", () => {
  const rows: readonly Row[] = [
    ["that are missing", "AUTH_SECRETS", { AUTH_SECRETS: undefined }],
    ["that are there twice", "AUTH_SECRETS", { AUTH_SECRETS_FILE: "weak" }],
    ["without an id", "AUTH_SECRETS", { AUTH_SECRETS: ONE }],
    ["that are not hex", "AUTH_SECRETS", { AUTH_SECRETS: `k1:${"xyz0".repeat(16)}` }],
    ["of 31 bytes", "AUTH_SECRETS", { AUTH_SECRETS: `k1:${ONE.slice(2)}` }],
    ["of one character", "AUTH_SECRETS", { AUTH_SECRETS: `k1:${"a".repeat(64)}` }],
    ["that repeat", "AUTH_SECRETS", { AUTH_SECRETS: `k1:${ONE.slice(0, 48).repeat(2)}` }],
    ["that count", "AUTH_SECRETS", { AUTH_SECRETS: `k1:${hex((_, at) => at)}` }],
    ["that are a phrase", "AUTH_SECRETS", { AUTH_SECRETS: `k1:${phrase()}` }],
    ["that we have published", "AUTH_SECRETS", { AUTH_SECRETS: `k1:${PUBLISHED}` }],
    ["that anybody would try", "AUTH_SECRETS", { AUTH_SECRETS: `k1:${SHA256_OF_SECRET}` }],
    ["with a weak one second", "AUTH_SECRETS", { AUTH_SECRETS: `k1:${ONE},k2:${PUBLISHED}` }],
    ["that are equal", "AUTH_SECRETS", { AUTH_SECRETS: `k1:${ONE},k2:${ONE.toUpperCase()}` }],
    ["of one id", "AUTH_SECRETS", { AUTH_SECRETS: `k1:${ONE},k1:${secret()}` }],
    ["of which there are nine", "AUTH_SECRETS", { AUTH_SECRETS: nine() }],
    ["in a file that all can read", "AUTH_SECRETS_FILE", inFile("open")],
    ["in a file with a weak one", "AUTH_SECRETS_FILE", inFile("weak")],
    ["in an empty file", "AUTH_SECRETS_FILE", inFile("empty")],
    ["in a file that is not there", "AUTH_SECRETS_FILE", inFile("nowhere-at-all")],
    ["in a folder", "AUTH_SECRETS_FILE", inFile("/")],
  ];
  test.concurrent.each(rows)("%s: %s", async (_what, setting, env) => {
    await refused(setting, { ...productionEnv(NOBODY), ...env });
  });
});

describe("PRX-1 production refuses proxies", () => {
  const everybody = ["true", "*", "1", "0.0.0.0/0", "::/0", "0.0.0.0/1", "::ffff:0.0.0.0/96"];
  const others = ["loopback", "10.0.0.0/33", "10.0.0.1,", "10.0.0/8", "proxy.example.org"];
  test.concurrent.each([...everybody, ...others])("TRUST_PROXY %s", async (TRUST_PROXY) => {
    await refused("TRUST_PROXY", { ...productionEnv(NOBODY), TRUST_PROXY });
  });
});

describe("RDS-1 production refuses a Redis on another host", () => {
  const rows: readonly Row[] = [
    ["without TLS", "REDIS_URL", { REDIS_URL: "redis://app:pw@redis.example.org" }],
    ["without a password", "REDIS_URL", { REDIS_URL: "rediss://redis.example.org" }],
    ["by Sentinel, plain", "REDIS_URL", { REDIS_URL: "redis+sentinel://a:pw@10.1.1.1/main" }],
    ["one of a Cluster, plain", "REDIS_URL", { REDIS_URL: "redis+cluster://a:pw@127.0.0.1,r2" }],
    ["unverified", "NODE_TLS_REJECT_UNAUTHORIZED", { NODE_TLS_REJECT_UNAUTHORIZED: "0" }],
  ];
  test.concurrent.each(rows)("%s: %s", async (_what, setting, env) => {
    await refused(setting, { ...productionEnv(NOBODY), ...env });
  });
});

/** Spellings that stand in messages as the way to do it right. */
const ADVICE = /^(AUTH_PROFILE|NODE_ENV|NODE_TLS_REJECT_UNAUTHORIZED)$/;

async function refused(
  setting: string,
  env: Readonly<Record<string, string | undefined>>,
  args: readonly string[] = [],
): Promise<void> {
  const set = Object.entries({ PORT: port, ...env }).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  const { code, output } = await runServer({ env: Object.fromEntries(set), cwd, args });
  expect(output).toMatch(new RegExp(`^${setting} [^\\n]+\\n$`));
  expect(code).toBe(CONFIG);
  for (const [name, value] of set.filter(([name]) => !ADVICE.test(name))) {
    if (value.length > 8) expect(output, name).not.toContain(value);
  }
}

function inFile(name: string): Record<string, string | undefined> {
  return { AUTH_SECRETS: undefined, AUTH_SECRETS_FILE: name };
}

function hex(byteAt: (_: unknown, at: number) => number): string {
  return Buffer.from(Array.from({ length: 32 }, byteAt)).toString("hex");
}

function phrase(): string {
  return Buffer.from("correct horse battery staple, twice a day").toString("hex");
}

function nine(): string {
  return Array.from({ length: 9 }, (_, at) => `k${at}:${secret()}`).join(",");
}
