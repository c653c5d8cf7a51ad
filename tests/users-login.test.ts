/** A password login from end to end, without HTTP: what it answers, and what it costs. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ACCOUNT_RULE } from "../apps/server/src/throttle/throttle.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { connectResp, type Resp } from "./support/resp.ts";
import {
  BAD,
  bucketsOf,
  elapse,
  GOOD,
  HERE,
  isValid,
  nameOf,
  networkAt,
  openUsers,
  THERE,
  type Users,
} from "./support/users.ts";

const ADA = nameOf("ada");
const DAY = 86_400_000;
/** The first delay is a day: however slow the machine, nobody is let in by time. */
const SLOW = { account: { ...ACCOUNT_RULE, firstDelayMs: DAY, longestDelayMs: 2 * DAY } };

let redis: TestRedis;
let resp: Resp;
let users: Users;

beforeAll(async () => {
  redis = await startRedis();
  resp = await connectResp(redis.port);
});

beforeEach(async () => {
  await users?.close();
  users = await openUsers(redis.url, { throttle: SLOW });
});

afterAll(async () => {
  await users?.close();
  resp?.close();
  await redis?.stop();
});

test("the right password: the user, and a generation that a session begins with", async () => {
  await users.register("ada");
  const answer = await users.attempt({ username: nameOf(" ADA"), password: GOOD });
  expect(answer).toEqual({ outcome: "ok", user: "ada", generation: 0 });
  const { token } = await users.begin("ada", 0);
  expect(await isValid(users, token)).toBe(true);
});

describe("ENU-1: what a login that fails looks like, and costs", () => {
  test("is the same for everyone: unknown, wrong, disabled, without a password", async () => {
    for (const name of ["wrong", "disabled"]) await users.register(name);
    await users.accounts.disable(nameOf("disabled"));
    await resp.command("HSET", users.keys.account("no-password"), "name", "no-password");
    for (const name of ["unknown", "wrong", "disabled", "no-password"]) {
      await resp.command("CONFIG", "RESETSTAT");
      const before = users.hasher.computed;
      const username = nameOf(name);
      // The right password of the one that is disabled, too.
      const password = name === "disabled" ? GOOD : BAD;
      expect(await users.attempt({ username, password }), name).toEqual({ outcome: "wrong" });
      expect(users.hasher.computed - before, name).toBe(1);
      // Network, account, generation, credential; none is left out, and none is added.
      expect(await scriptCalls(), name).toBe(4);
    }
  });

  test("ENU-2: an unknown name is throttled at the same count", async () => {
    await users.register("ada");
    const outcomes = async (name: string, from: string): Promise<string[]> => {
      const seen: string[] = [];
      for (let i = 0; i < 7; i++) {
        const wish = { username: nameOf(name), network: networkAt(from) };
        seen.push((await users.attempt(wish)).outcome);
      }
      return seen;
    };
    const known = await outcomes("ada", "192.0.2.1");
    expect(known).toEqual([...Array(5).fill("wrong"), "throttled", "throttled"]);
    expect(await outcomes("nobody", "192.0.2.2")).toEqual(known);
  });

  test("ENU-2: all spellings of a name have one bucket", async () => {
    for (const name of ["Bob", "bob ", "BOB", "ＢＯＢ", "\u{1d401}ob"]) {
      expect((await users.attempt({ username: nameOf(name) })).outcome).toBe("wrong");
    }
    expect((await users.attempt({ username: nameOf("bob") })).outcome).toBe("throttled");
  });
});

describe("PWD-1: no login without a stored credential", () => {
  test("a session, a record or a key of that name is none", async () => {
    await users.begin("ada");
    expect((await users.attempt({ password: GOOD })).outcome).toBe("wrong");
    expect(users.hasher.computed).toBe(1);
  });
});

describe("THR-2, THR-3: the throttle comes before the password", () => {
  test("THR-3: 200 parallel wrong logins, a limit of 5: exactly 5 hashes", async () => {
    await users.register("ada");
    const before = users.hasher.computed;
    // From 200 networks, so that it is the account that stops them.
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) => users.attempt({ network: networkAt(`10.0.0.${i}`) })),
    );
    const wrong = answers.filter(({ outcome }) => outcome === "wrong");
    expect(wrong).toHaveLength(5);
    expect(users.hasher.computed - before).toBe(5);
    for (const bucket of await bucketsOf(resp, users.keys)) {
      expect(await resp.command("PTTL", bucket)).toBeGreaterThan(0);
    }
  });

  test("THR-3: 200 parallel wrong logins from one network at 200 names: exactly 20 hashes", async () => {
    const names = Array.from({ length: 200 }, (_, i) => nameOf(`user${i}`));
    const answers = await Promise.all(names.map((username) => users.attempt({ username })));
    expect(answers.filter(({ outcome }) => outcome === "wrong")).toHaveLength(20);
    expect(users.hasher.computed).toBe(20);
    // What the network could not do any more counts against nobody.
    expect(await bucketsOf(resp, users.keys)).toHaveLength(21);
  });

  test("THR-2: the right password changes nothing for one who is blocked, and is not looked at", async () => {
    await users.register("ada");
    for (let i = 0; i < 5; i++) await users.attempt();
    const before = users.hasher.computed;
    const blocked = await users.attempt({ password: GOOD });
    expect(blocked).toEqual({ outcome: "throttled", retryAfterSeconds: DAY / 1_000 });
    expect(await users.attempt()).toEqual(blocked);
    expect(users.hasher.computed).toBe(before);
    await elapse(resp, users.keys, DAY);
    expect((await users.attempt({ password: GOOD })).outcome).toBe("ok");
  });

  test("THR-7: success clears the account, not the network, and costs the network nothing", async () => {
    await users.register("ada");
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 4; i++) expect((await users.attempt()).outcome).toBe("wrong");
      expect((await users.attempt({ password: GOOD })).outcome).toBe("ok");
    }
    // 16 failures; an office may log in as often as it likes.
    for (let i = 0; i < 30; i++) {
      expect((await users.attempt({ password: GOOD })).outcome).toBe("ok");
    }
    for (let i = 0; i < 4; i++) expect((await users.attempt()).outcome).toBe("wrong");
    expect((await users.attempt({ password: GOOD })).outcome).toBe("throttled");
    expect((await users.attempt({ password: GOOD, network: THERE })).outcome).toBe("ok");
  });

  test("THR-7: a stranger who fails on purpose does not lock the user out", async () => {
    await users.register("ada");
    const deviceMark = users.marks.issue("ada");
    for (let i = 0; i < 6; i++) await users.attempt();
    const home = { network: THERE, password: GOOD };
    expect((await users.attempt(home)).outcome).toBe("throttled");
    expect((await users.attempt({ ...home, deviceMark })).outcome).toBe("ok");
    // A mark of somebody else, or a made-up one, is none.
    for (const mark of [users.marks.issue("bob"), `${deviceMark.slice(0, -1)}!`]) {
      expect((await users.attempt({ ...home, deviceMark: mark })).outcome).toBe("throttled");
    }
    // Whoever steals the mark has five attempts with it, and the user without it as many as before.
    for (let i = 0; i < 5; i++) await users.attempt({ network: THERE, deviceMark });
    expect((await users.attempt({ ...home, deviceMark })).outcome).toBe("throttled");
  });
});

describe("PWD-4: hashes grow with the parameters", () => {
  test("at the next login, once, and the password stays the same", async () => {
    await users.register("ada");
    const costlier = await openUsers(redis.url, { prefix: users.prefix, hasher: { passes: 2 } });
    const stored = async (): Promise<string | undefined> =>
      (await users.directory.find(ADA))?.passwordHash;
    const before = await stored();
    await costlier.attempt();
    expect(await stored()).toBe(before);
    for (const computed of [3, 4]) {
      expect((await costlier.attempt({ password: GOOD })).outcome).toBe("ok");
      expect(await stored()).toContain("m=8,t=2,p=1");
      expect(costlier.hasher.computed).toBe(computed);
    }
    await costlier.close();
  });

  test("a change of password meanwhile is not undone by it", async () => {
    await users.register("ada");
    const to = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA";
    const costlier = await openUsers(redis.url, {
      ...{ prefix: users.prefix, hasher: { passes: 2 } },
      around: (inner) => ({
        ...inner,
        replacePassword: async (username, change) => {
          const from = (await inner.find(username))?.passwordHash;
          await inner.replacePassword(username, { from, to, why: "new-password" });
          return inner.replacePassword(username, change);
        },
      }),
    });
    expect((await costlier.attempt({ password: GOOD })).outcome).toBe("ok");
    expect((await users.directory.find(ADA))?.passwordHash).toBe(to);
    await costlier.close();
  });
});

describe("PWD-5: when too many come at once", () => {
  test("the rest is busy, and what nobody looked at is no failure", async () => {
    await users.register("ada");
    const arrived: (() => void)[] = [];
    const small = await openUsers(redis.url, {
      ...{ prefix: users.prefix, hasher: { concurrency: 1, waitingMax: 1 } },
      throttle: { account: { ...SLOW.account, freeFailures: 50 } },
      around: (inner) => ({
        ...inner,
        // All go on together, once the last one is there.
        find: async (username) => {
          const found = await inner.find(username);
          await new Promise<void>((resolve) => {
            arrived.push(resolve);
            if (arrived.length === 20) for (const go of arrived) go();
          });
          return found;
        },
      }),
    });
    const wishes = Array.from({ length: 20 }, () => small.attempt({ network: THERE }));
    const outcomes = (await Promise.all(wishes)).map(({ outcome }) => outcome);
    expect(outcomes.filter((outcome) => outcome === "wrong")).toHaveLength(2);
    expect(outcomes.filter((outcome) => outcome === "busy")).toHaveLength(18);
    expect(small.hasher.computed).toBe(2);
    expect(await countsOf()).toEqual([1, 2, 2]);
    await small.close();
  });

  test("who hangs up while waiting is no failure either", async () => {
    const signal = AbortSignal.abort();
    expect(await users.attempt({ signal })).toEqual({ outcome: "busy" });
    expect(users.hasher.computed).toBe(0);
    for (let i = 0; i < 5; i++) expect((await users.attempt()).outcome).toBe("wrong");
  });
});

describe("THR-5: what cannot be counted or known is unavailable, and never a login", () => {
  test("Redis is full", async () => {
    await users.register("ada");
    const before = users.hasher.computed;
    await resp.command("CONFIG", "SET", "maxmemory", "1");
    try {
      expect((await users.attempt({ password: GOOD })).outcome).toBe("unavailable");
    } finally {
      await resp.command("CONFIG", "SET", "maxmemory", "0");
    }
    expect(users.hasher.computed).toBe(before);
    expect((await users.attempt({ password: GOOD })).outcome).toBe("ok");
  });

  test("Redis is gone, and comes back", async () => {
    const mortal = await startRedis();
    const local = await openUsers(mortal.url, { callTimeoutMs: 250 });
    await mortal.kill("SIGKILL");
    expect((await local.attempt({ password: GOOD })).outcome).toBe("unavailable");
    expect((await local.register("ada")).outcome).toBe("unavailable");
    expect((await local.accounts.disable(ADA)).outcome).toBe("unavailable");
    await local.close();
    await mortal.stop();
  });

  test("the directory cannot answer: no verdict, no failure, nobody's fault", async () => {
    let isDown = true;
    const own = await openUsers(redis.url, {
      throttle: SLOW,
      around: (inner) => ({
        ...inner,
        find: (username) =>
          isDown ? Promise.reject(new Error("no database")) : inner.find(username),
      }),
    });
    await own.register("ada");
    for (let i = 0; i < 9; i++) {
      await expect(own.attempt({ password: GOOD })).rejects.toThrow("no database");
    }
    isDown = false;
    expect((await own.attempt({ password: GOOD })).outcome).toBe("ok");
    await own.close();
  });
});

test("no password, no name and no hash of a network is in what goes to Redis for a failed login", async () => {
  const lines: string[] = [];
  const monitor = await connectResp(redis.port);
  await monitor.monitor((line) => lines.push(line));
  const username = nameOf("hunter2-typed-as-name");
  await users.attempt({ username, password: GOOD, network: HERE });
  await resp.command("ECHO", "end of test");
  while (!lines.some((line) => line.includes("end of test"))) {
    await resp.command("ECHO", "end of test");
  }
  monitor.close();
  const buckets = lines.filter((line) => line.includes("rl:"));
  expect(buckets.length).toBeGreaterThanOrEqual(2);
  for (const line of buckets) expect(line).not.toMatch(/hunter2|c0000201|192\.0/);
  for (const line of lines) expect(line).not.toContain(GOOD);
});

/** What the buckets have counted: of the network's registration, of its logins, of the account. */
async function countsOf(): Promise<number[]> {
  const buckets = await bucketsOf(resp, users.keys);
  const values = await Promise.all(buckets.map((bucket) => resp.command("GET", bucket)));
  return values.map((value) => Number(String(value).split(" ")[0])).sort((a, b) => a - b);
}

/** Scripts since the last RESETSTAT. */
async function scriptCalls(): Promise<number> {
  const stats = String(await resp.command("INFO", "commandstats"));
  const calls = [...stats.matchAll(/^cmdstat_(eval|evalsha):calls=(\d+)/gm)];
  const failed = [...stats.matchAll(/^cmdstat_evalsha:.*failed_calls=(\d+)/gm)];
  const sum = (of: typeof calls, at: number): number =>
    of.reduce((total, match) => total + Number(match[at]), 0);
  // A script that Redis did not know is asked for twice.
  return sum(calls, 2) - sum(failed, 1);
}
