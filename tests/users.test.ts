/** Local users in Redis: what is stored, and who wins when two come at once. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { UserDirectory } from "../apps/server/src/users/user-directory.ts";
import { slotOf } from "../packages/latchkey/src/redis/slots.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { connectResp, type Resp } from "./support/resp.ts";
import { BETTER, GOOD, HERE, isValid, nameOf, openUsers, type Users } from "./support/users.ts";
import { startWholeRedis } from "./support/whole-redis.ts";

const ADA = nameOf("ada");
const BOB = nameOf("bob");

let redis: TestRedis;
let resp: Resp;
let users: Users;
let directory: UserDirectory;

beforeAll(async () => {
  redis = await startRedis();
  resp = await connectResp(redis.port);
});

beforeEach(async () => {
  await users?.close();
  users = await openUsers(redis.url);
  ({ directory } = users);
});

afterAll(async () => {
  await users?.close();
  resp?.close();
  await redis?.stop();
});

describe("the directory", () => {
  test("PWD-7: nobody is there at first", async () => {
    expect(await directory.isNew()).toBe(true);
    expect(await directory.find(ADA)).toBeUndefined();
    expect(await resp.command("KEYS", `*${users.prefix}*`)).toEqual([]);
    await directory.register(ADA, "h1");
    expect(await directory.isNew()).toBe(false);
    // Whoever deletes the last user does not open the door to the next visitor.
    await directory.delete(ADA);
    expect(await directory.isNew()).toBe(false);
  });

  test("what redis-cli shows: one hash for ever, in the slot of the user's keys", async () => {
    await directory.register(nameOf("A{d}a:x"), "h1");
    const key = `{${users.prefix}user:a%7Bd%7Da%3Ax}:account`;
    const fields = await hashAt(key);
    const now = Number(String(await resp.command("TIME")).split(",")[0]) * 1_000;
    expect(fields).toEqual({
      ...{ name: "a{d}a:x", password: "h1", created: expect.any(String) },
      passwordChanged: fields["created"],
    });
    expect(Math.abs(now - Number(fields["created"]))).toBeLessThan(60_000);
    expect(await resp.command("PTTL", key)).toBe(-1);
  });

  test("of 50 registrations of one name at once, one succeeds, and it is that one's password", async () => {
    const hashes = Array.from({ length: 50 }, (_, i) => `h${i}`);
    const outcomes = await Promise.all(hashes.map((hash) => directory.register(ADA, hash)));
    expect(outcomes.filter((outcome) => outcome === "registered")).toHaveLength(1);
    const winner = hashes[outcomes.indexOf("registered")];
    expect((await directory.find(ADA))?.passwordHash).toBe(winner);
  });

  test("of 50 changes of one password at once, one is made", async () => {
    await directory.register(ADA, "old");
    const changes = Array.from({ length: 50 }, (_, i) =>
      directory.replacePassword(ADA, { from: "old", to: `h${i}`, why: "new-password" }),
    );
    const outcomes = await Promise.all(changes);
    expect(outcomes.filter((outcome) => outcome === "replaced")).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === "changed")).toHaveLength(49);
    const kept = (await directory.find(ADA))?.passwordHash;
    expect(kept).toBe(`h${outcomes.indexOf("replaced")}`);
  });

  test("a rehash is no change of password", async () => {
    const key = users.keys.account(ADA);
    await directory.register(ADA, "h1");
    await resp.command("HSET", key, "passwordChanged", "7");
    await directory.replacePassword(ADA, { from: "h1", to: "h2", why: "rehash" });
    expect(await hashAt(key)).toMatchObject({ password: "h2", passwordChanged: "7" });
    await directory.replacePassword(ADA, { from: "h2", to: "h3", why: "new-password" });
    expect(Number((await hashAt(key))["passwordChanged"])).toBeGreaterThan(7);
  });

  test("no method brings a user to life but register", async () => {
    const change = { from: undefined, to: "h1", why: "new-password" } as const;
    expect(await directory.replacePassword(ADA, change)).toBe("absent");
    expect(await directory.disable(ADA)).toBe("absent");
    expect(await directory.enable(ADA)).toBe("absent");
    expect(await directory.delete(ADA)).toBe("absent");
    expect(await directory.find(ADA)).toBeUndefined();
    expect(await directory.isNew()).toBe(true);
  });

  test("disabled and enabled, twice each", async () => {
    await directory.register(ADA, "h1");
    for (const isDisabled of [true, true, false, false]) {
      await (isDisabled ? directory.disable(ADA) : directory.enable(ADA));
      expect(await directory.find(ADA)).toEqual({ passwordHash: "h1", isDisabled });
    }
  });

  test("a user without a password, and one that somebody made by hand", async () => {
    await resp.command("HSET", users.keys.account(ADA), "name", "ada");
    expect(await directory.find(ADA)).toEqual({ passwordHash: undefined, isDisabled: false });
    const change = { from: undefined, to: "h1", why: "new-password" } as const;
    expect(await directory.replacePassword(ADA, change)).toBe("replaced");
    await resp.command("SET", users.keys.account(BOB), "x");
    await expect(directory.find(BOB)).rejects.toMatchObject({ code: "store-unavailable" });
    expect(await directory.register(BOB, "h1")).toBe("taken");
  });

  test("full, Redis takes nobody in and still shuts people out", async () => {
    await directory.register(ADA, "h1");
    await directory.register(BOB, "h1");
    await resp.command("CONFIG", "SET", "maxmemory", "1");
    try {
      await expect(directory.register(nameOf("eve"), "h")).rejects.toMatchObject({
        code: "store-unavailable",
      });
      expect(await directory.disable(ADA)).toBe("done");
      expect(await directory.delete(BOB)).toBe("done");
    } finally {
      await resp.command("CONFIG", "SET", "maxmemory", "0");
    }
    expect((await directory.find(ADA))?.isDisabled).toBe(true);
  });
});

test("RDS-4: on a Cluster too, with the account in the slot of the user's sessions", async () => {
  const cluster = await startWholeRedis("cluster");
  const there = await openUsers(cluster.url);
  const token = (await there.enrolment.issueForFirstUser()) ?? "";
  const enrolment = { token, username: ADA, password: GOOD, network: HERE };
  expect(await there.enrolment.redeem(enrolment)).toEqual({ outcome: "enrolled" });
  expect((await there.register("bob", BETTER)).outcome).toBe("registered");
  expect((await there.attempt()).outcome).toBe("wrong");
  expect((await there.attempt({ password: GOOD })).outcome).toBe("ok");
  const session = await there.begin("ada");
  expect(slotOf(there.keys.account(ADA))).toBe(
    slotOf(`${there.prefix}${session.token.slice(0, 24)}`),
  );
  expect(await there.accounts.disable(ADA)).toEqual({ outcome: "done" });
  expect(await isValid(there, session.token)).toBe(false);
  expect(await there.accounts.delete(BOB)).toEqual({ outcome: "done" });
  await there.close();
  await cluster.stop();
});

async function hashAt(key: string): Promise<Record<string, string>> {
  const reply = await resp.command("HGETALL", key);
  const flat = Array.isArray(reply) ? reply.map(String) : [];
  return Object.fromEntries(flat.flatMap((name, i) => (i % 2 ? [] : [[name, flat[i + 1] ?? ""]])));
}
