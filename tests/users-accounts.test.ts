/** What happens to an account, and to the sessions of its user with it. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { LoggedIn } from "../apps/server/src/users/login.ts";
import type { UserDirectory } from "../apps/server/src/users/user-directory.ts";
import type { Username } from "../apps/server/src/users/username.ts";
import { keysFor } from "../packages/latchkey/src/redis/keys.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { connectResp, type Resp } from "./support/resp.ts";
import {
  BAD,
  BETTER,
  GOOD,
  HERE,
  isValid,
  nameOf,
  openUsers,
  passwordOf,
  THERE,
  type Users,
} from "./support/users.ts";

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

describe("registration", () => {
  test("once, under one name, with a good password, and no session comes of it", async () => {
    expect(await users.register("ada")).toEqual({ outcome: "registered" });
    expect(await users.register("ＡDA ", BETTER)).toEqual({ outcome: "taken" });
    expect(await users.register("bob", passwordOf("password123456789"))).toMatchObject({
      outcome: "refused",
      refusal: { code: "product_word" },
    });
    expect(await users.sessions.list("ada")).toEqual([]);
    expect((await users.attempt({ password: GOOD })).outcome).toBe("ok");
  });

  test("ENU-4: a name that is taken costs the same hash as one that is free", async () => {
    await users.register("ada");
    const before = users.hasher.computed;
    await users.register("ada");
    await users.register("bob");
    expect(users.hasher.computed - before).toBe(2);
  });

  test("THR-8: 20 an hour for a network, and none is hashed beyond", async () => {
    const one = Array.from({ length: 30 }, (_, i) => users.register(`user${i}`));
    const outcomes = (await Promise.all(one)).map(({ outcome }) => outcome);
    expect(outcomes.filter((outcome) => outcome === "throttled")).toHaveLength(10);
    expect(users.hasher.computed).toBe(20);
    expect((await users.register("other", GOOD, THERE)).outcome).toBe("registered");
  });
});

describe("END-6: the credential and the sessions end together", () => {
  test.each(["disable", "delete"] as const)("%s: dead on another server at once", async (verb) => {
    await users.register("ada");
    const elsewhere = await openUsers(redis.url, { prefix: users.prefix });
    const [mine, theirs] = [await users.begin("ada"), await users.begin("bob")];
    expect(await isValid(elsewhere, mine.token)).toBe(true);
    expect(await users.accounts[verb](ADA)).toEqual({ outcome: "done" });
    expect(await isValid(elsewhere, mine.token)).toBe(false);
    expect(await isValid(elsewhere, theirs.token)).toBe(true);
    expect((await elsewhere.attempt({ password: GOOD })).outcome).toBe("wrong");
    expect(await users.accounts[verb](ADA)).toEqual({
      outcome: verb === "disable" ? "done" : "absent",
    });
    await elsewhere.close();
  });

  test("enabled again: a login works, the old sessions do not", async () => {
    await users.register("ada");
    const { token } = await users.begin("ada");
    await users.accounts.disable(ADA);
    expect(await users.accounts.enable(ADA)).toEqual({ outcome: "done" });
    expect(await isValid(users, token)).toBe(false);
    expect((await users.attempt({ password: GOOD })).outcome).toBe("ok");
  });

  test.each(["disable", "delete"] as const)(
    "END-9: a login that read the credential before a %s does not survive it, in any order",
    async (verb) => {
      await users.register("ada");
      // The verb falls behind each step of the login in turn: what it waits for, and no time.
      for (const at of ["before find", "after find", "after the password"] as const) {
        const { accounts } = users;
        const end = async (): Promise<void> => {
          expect((await accounts[verb](ADA)).outcome).toBe("done");
        };
        const slow = await openUsers(redis.url, {
          prefix: users.prefix,
          around: (inner) => ({
            ...inner,
            find: async (username) => {
              if (at === "before find") await end();
              const found = await inner.find(username);
              if (at === "after find") await end();
              return found;
            },
          }),
        });
        const answer = await slow.attempt({ password: GOOD });
        if (at === "after the password") await end();
        if (at === "before find") expect(answer).toEqual({ outcome: "wrong" });
        else {
          // Without the generation that authenticate read first, this session would live.
          const generation = answer.outcome === "ok" ? answer.generation : -1;
          await expect(slow.begin("ada", generation)).rejects.toMatchObject({
            code: "stale-credential",
          });
        }
        expect(await slow.sessions.list("ada")).toEqual([]);
        await slow.close();
        await (verb === "disable" ? accounts.enable(ADA) : users.register("ada"));
      }
    },
  );

  test.each(["disable", "delete"] as const)(
    "END-9: a whole login that comes in while a %s begins does not survive it",
    async (verb) => {
      await users.register("ada");
      let token = "";
      const { accounts, close } = await openUsers(redis.url, {
        prefix: users.prefix,
        around: (inner) => ({
          ...inner,
          [verb]: async (username: Username) => {
            const { generation } = await loggedIn();
            token = (await users.begin("ada", generation)).token;
            return inner[verb](username);
          },
        }),
      });
      // Sessions first, credential second: this one would live on.
      expect(await accounts[verb](ADA)).toEqual({ outcome: "done" });
      expect(await isValid(users, token)).toBe(false);
      await close();
    },
  );

  test("sessions that cannot be ended: the outcome says so, and repeating it helps", async () => {
    await users.register("ada");
    const { token } = await users.begin("ada");
    // Something foreign is in the way, so that the script stops.
    const barrier = barrierOf();
    await resp.command("SET", barrier, "foreign");
    expect(await users.accounts.disable(ADA)).toEqual({ outcome: "not-revoked" });
    // The credential is out of use all the same.
    expect((await directory.find(ADA))?.isDisabled).toBe(true);
    expect(await isValid(users, token)).toBe(true);
    await resp.command("DEL", barrier);
    expect(await users.accounts.disable(ADA)).toEqual({ outcome: "done" });
    expect(await isValid(users, token)).toBe(false);
  });

  test("a delete that was cut off in the middle is finished by the next one", async () => {
    await users.register("ada");
    const { token } = await users.begin("ada");
    const barrier = barrierOf();
    await resp.command("SET", barrier, "foreign");
    expect(await users.accounts.delete(ADA)).toEqual({ outcome: "not-revoked" });
    await resp.command("DEL", barrier);
    expect(await users.accounts.delete(ADA)).toEqual({ outcome: "absent" });
    expect(await isValid(users, token)).toBe(false);
  });
});

describe("RAU-2: a change of password", () => {
  test("needs the present one, ends all other sessions, keeps this one", async () => {
    await users.register("ada");
    const [here, there] = [await users.begin("ada"), await users.begin("ada")];
    expect((await change(BAD, BETTER)).outcome).toBe("wrong");
    expect(await isValid(users, there.token)).toBe(true);
    expect(await change(GOOD, BETTER, here.token.slice(0, 24))).toEqual({ outcome: "done" });
    expect(await isValid(users, here.token)).toBe(true);
    expect(await isValid(users, there.token)).toBe(false);
    expect((await users.attempt({ password: GOOD })).outcome).toBe("wrong");
    expect((await users.attempt({ password: BETTER })).outcome).toBe("ok");
  });

  test("RAU-1: guesses at it count in the same bucket as logins", async () => {
    await users.register("ada");
    for (let i = 0; i < 3; i++) expect((await change(BAD, BETTER)).outcome).toBe("wrong");
    for (let i = 0; i < 2; i++) expect((await users.attempt()).outcome).toBe("wrong");
    const before = users.hasher.computed;
    // With the right one, too: nothing is looked at.
    await makeWait();
    expect((await change(GOOD, BETTER)).outcome).toBe("throttled");
    expect((await users.attempt({ password: GOOD })).outcome).toBe("throttled");
    expect(users.hasher.computed).toBe(before);
  });

  test("PWD-3: a bad new one is refused before anything is asked or counted", async () => {
    await users.register("ada");
    const before = users.hasher.computed;
    const outcome = await change(GOOD, passwordOf("sunshinesunshine"));
    expect(outcome).toMatchObject({ outcome: "refused", refusal: { code: "common_word" } });
    expect(users.hasher.computed).toBe(before);
  });

  test("of four at once from the same present password, one is made", async () => {
    await users.register("ada");
    // As many as may fail in a row; each knows the password.
    const nexts = [
      "wolke hammer tinte",
      "birne segel kamin",
      "distel orgel nebel",
      "kran ufer pilze",
    ];
    const outcomes = await Promise.all(nexts.map((text) => change(GOOD, passwordOf(text))));
    const done = outcomes.filter(({ outcome }) => outcome === "done");
    expect(done).toHaveLength(1);
    // Who came late found another hash: by comparison when writing, or already when checking.
    for (const { outcome } of outcomes) expect(["done", "conflict", "wrong"]).toContain(outcome);
    const winner = nexts[outcomes.findIndex(({ outcome }) => outcome === "done")] ?? "";
    expect((await users.attempt({ password: passwordOf(winner) })).outcome).toBe("ok");
  });

  test("a reset by the operator: ends every session and the hard stop", async () => {
    await users.register("ada");
    const { token } = await users.begin("ada");
    await resp.command("SET", (await bucket()) ?? "", "100 0", "KEEPTTL");
    expect((await users.attempt({ password: GOOD })).outcome).toBe("throttled");
    expect(await users.accounts.resetPassword(ADA, BETTER)).toEqual({ outcome: "done" });
    expect(await isValid(users, token)).toBe(false);
    expect((await users.attempt({ password: BETTER })).outcome).toBe("ok");
    expect(await users.accounts.resetPassword(BOB, BETTER)).toEqual({ outcome: "absent" });
  });
});

async function loggedIn(): Promise<LoggedIn> {
  const answer = await users.attempt({ password: GOOD });
  if (answer.outcome !== "ok") throw new Error(answer.outcome);
  return answer;
}

async function change(password: typeof GOOD, next: typeof GOOD, keep?: string) {
  return users.accounts.changePassword({
    ...{ username: ADA, password, next, keep },
    ...{ network: HERE, deviceMark: undefined },
  });
}

/** The bucket of ada's failures, after one more of them. */
async function bucket(): Promise<string | undefined> {
  await users.attempt();
  const keys = await resp.command("KEYS", users.keys.accountBucket("*"));
  return Array.isArray(keys) ? keys.map(String)[0] : undefined;
}

/** Moves the end of the delay a day away: a slow machine must not wait it out. */
async function makeWait(): Promise<void> {
  const [key] = (await resp.command("KEYS", users.keys.accountBucket("*"))) as string[];
  const [count] = String(await resp.command("GET", key ?? "")).split(" ");
  const far = Number(await resp.command("PEXPIRETIME", key ?? ""));
  await resp.command("SET", key ?? "", `${count} ${far}`, "KEEPTTL");
}

/** The key of the barrier in ada's slot. */
function barrierOf(): string {
  const keys = keysFor(users.prefix);
  return keys.barrier(keys.userSessions("ada"));
}
