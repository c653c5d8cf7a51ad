/** How the first user, and whoever is invited, gets in: by a token that is good once. */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { connectResp, type Resp } from "./support/resp.ts";
import {
  BETTER,
  GOOD,
  HERE,
  nameOf,
  networkAt,
  openUsers,
  passwordOf,
  type Users,
} from "./support/users.ts";

const DAY = 86_400_000;

let redis: TestRedis;
let resp: Resp;
let users: Users;

beforeAll(async () => {
  redis = await startRedis();
  resp = await connectResp(redis.port);
});

beforeEach(async () => {
  await users?.close();
  users = await openUsers(redis.url);
});

afterAll(async () => {
  await users?.close();
  resp?.close();
  await redis?.stop();
});

describe("PWD-6: the token of the first user", () => {
  test("makes one user, opens no session, and is not offered again", async () => {
    const token = await first();
    expect(token).toMatch(/^[\w-]{32}$/);
    expect(await redeem(token)).toEqual({ outcome: "enrolled" });
    expect(await users.sessions.list("ada")).toEqual([]);
    expect((await users.attempt({ password: GOOD })).outcome).toBe("ok");
    expect(await redeem(token, "bob")).toEqual({ outcome: "invalid" });
    expect(await users.enrolment.issueForFirstUser()).toBeUndefined();
  });

  test("50 parallel redemptions: exactly 1 success", async () => {
    const token = await first();
    const names = Array.from({ length: 50 }, (_, i) => `user${i}`);
    // From 50 networks, so that it is the token that decides.
    const outcomes = await Promise.all(
      names.map((name, i) => redeem(token, name, { network: networkAt(`10.0.0.${i}`) })),
    );
    const words = outcomes.map(({ outcome }) => outcome);
    expect(words.filter((word) => word === "enrolled")).toHaveLength(1);
    expect(words.filter((word) => word === "invalid")).toHaveLength(49);
    const accounts = await resp.command("KEYS", users.keys.account("*").replace("%2A", "*"));
    expect(accounts).toEqual([users.keys.account(names[words.indexOf("enrolled")] ?? "")]);
  });

  test("of two servers that showed one each, the second is worth nothing once the first is used", async () => {
    const [one, two] = [await first(), await first()];
    expect(await redeem(one)).toEqual({ outcome: "enrolled" });
    expect(await redeem(two, "bob")).toEqual({ outcome: "invalid" });
  });

  test("PWD-7: none is offered once anybody is there, however he came", async () => {
    const token = await first();
    await users.register("bob");
    expect(await users.enrolment.issueForFirstUser()).toBeUndefined();
    expect(await redeem(token)).toEqual({ outcome: "invalid" });
  });
});

describe("PWD-6: a token for a name", () => {
  test("is for that name alone, and another name does not use it up", async () => {
    const token = await users.enrolment.issueFor(nameOf("Ada"));
    expect(await redeem(token, "bob")).toEqual({ outcome: "invalid" });
    expect(await redeem(token, "ADA")).toEqual({ outcome: "enrolled" });
    expect(await redeem(token, "ada")).toEqual({ outcome: "invalid" });
  });

  test("a refused password, a moment of load or a hang-up does not use it up", async () => {
    const token = await users.enrolment.issueFor(nameOf("ada"));
    const weak = passwordOf("password123456789");
    expect((await redeem(token, "ada", { password: weak })).outcome).toBe("refused");
    const signal = AbortSignal.abort();
    expect(await redeem(token, "ada", { signal })).toEqual({ outcome: "busy" });
    expect(await redeem(token, "ada")).toEqual({ outcome: "enrolled" });
  });

  test("does not overwrite who is there", async () => {
    await users.register("ada");
    const token = await users.enrolment.issueFor(nameOf("ada"));
    expect(await redeem(token, "ada", { password: BETTER })).toEqual({ outcome: "taken" });
    expect((await users.attempt({ password: GOOD })).outcome).toBe("ok");
  });

  test("ends after a day; Redis keeps its hash and not itself", async () => {
    const token = await users.enrolment.issueFor(nameOf("ada"));
    const hash = createHash("sha256").update(token).digest("base64url");
    const key = users.keys.enrolment(hash);
    expect(await resp.command("KEYS", users.keys.enrolment("*"))).toEqual([key]);
    const ttl = Number(await resp.command("PTTL", key));
    expect(ttl).toBeGreaterThan(DAY - 60_000);
    expect(ttl).toBeLessThanOrEqual(DAY);
    const ends = Number(await resp.command("PEXPIRETIME", key));
    await resp.command("PEXPIREAT", key, String(ends - DAY));
    expect(await redeem(token, "ada")).toEqual({ outcome: "invalid" });
  });
});

test.each([
  ["nothing", ""],
  ["a session id", "A".repeat(24)],
  ["a token of nobody", "A".repeat(32)],
  ["a glob", "*".repeat(32)],
  ["a hash of a token", "A".repeat(43)],
  ["10 kB", "A".repeat(10_000)],
])("PWD-6: %s is invalid and costs no hash", async (_what, token) => {
  expect(await redeem(token)).toEqual({ outcome: "invalid" });
  expect(users.hasher.computed).toBe(0);
});

test("THR-8: a network may guess at 20 tokens in 10 minutes, and success costs it nothing", async () => {
  const tokens = await Promise.all(
    Array.from({ length: 25 }, (_, i) => users.enrolment.issueFor(nameOf(`user${i}`))),
  );
  for (const [i, token] of tokens.entries()) {
    expect((await redeem(token, `user${i}`)).outcome).toBe("enrolled");
  }
  for (let i = 0; i < 20; i++) expect((await redeem("A".repeat(32))).outcome).toBe("invalid");
  expect((await redeem("A".repeat(32))).outcome).toBe("throttled");
});

async function first(): Promise<string> {
  const token = await users.enrolment.issueForFirstUser();
  if (token === undefined) throw new Error("there is a user already");
  return token;
}

interface Wishes {
  readonly password?: typeof GOOD;
  readonly network?: typeof HERE;
  readonly signal?: AbortSignal;
}

async function redeem(token: string, name = "ada", wishes: Wishes = {}) {
  const username = nameOf(name);
  return users.enrolment.redeem({ token, username, password: GOOD, network: HERE, ...wishes });
}
