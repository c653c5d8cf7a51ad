/** How often somebody may try: buckets on a real Redis, whose clock the tests move. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { DeviceMarks } from "../apps/server/src/throttle/device-mark.ts";
import {
  ACCOUNT_RULE,
  type AccountRule,
  NETWORK_RULES,
  Throttle,
} from "../apps/server/src/throttle/throttle.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { connectResp, type Resp } from "./support/resp.ts";
import { bucketsOf, elapse, HERE, openUsers, THERE, type Users } from "./support/users.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** The rule with hours for its seconds: however slow the machine, nobody is let in by time. */
const SLOW: AccountRule = {
  ...ACCOUNT_RULE,
  ...{ firstDelayMs: HOUR, longestDelayMs: 900 * HOUR, memoryMs: 300 * DAY },
};
const ADA = { username: "ada", device: undefined };

let redis: TestRedis;
let resp: Resp;
let users: Users;
let throttle: Throttle;

beforeAll(async () => {
  redis = await startRedis();
  resp = await connectResp(redis.port);
});

beforeEach(async () => {
  await users?.close();
  users = await openUsers(redis.url, { throttle: { account: SLOW } });
  ({ throttle } = users);
});

afterAll(async () => {
  await users?.close();
  resp?.close();
  await redis?.stop();
});

describe("THR-1: an account", () => {
  test("5 free failures, then a delay that doubles up to 900 times the first", async () => {
    expect(await failures(5)).toEqual([0, 0, 0, 0, 0]);
    const waits: number[] = [];
    for (let i = 0; i < 12; i++) {
      const wait = await waitOf();
      waits.push(wait);
      // An hour too early is too early, and does not count.
      await pass((wait - 1) * HOUR);
      expect(await waitOf()).toBe(1);
      await pass(HOUR);
      expect(await waitOf()).toBe(0);
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
  });

  test("with 100 in a row it is over, until a reset", async () => {
    let attempts = 0;
    for (; attempts < 200; attempts++) {
      const wait = await waitOf();
      if (wait > 900) break;
      if (wait > 0) attempts--;
      await pass(wait * HOUR);
    }
    expect(attempts).toBe(100);
    await pass(100 * DAY);
    expect(await waitOf()).toBeGreaterThan(199 * 24);
    await throttle.clearAccount(ADA);
    expect(await failures(5)).toEqual([0, 0, 0, 0, 0]);
  });

  test("success begins anew, and what was not judged does not count", async () => {
    await failures(4);
    await throttle.clearAccount(ADA);
    expect(await bucketsOf(resp, users.keys)).toEqual([]);
    await failures(4);
    await throttle.giveBackToAccount(ADA);
    expect(await failures(3)).toEqual([0, 0, 1]);
    // Nothing is given back beyond nothing, and no bucket comes of it.
    await throttle.clearAccount(ADA);
    await throttle.giveBackToAccount(ADA);
    expect(await bucketsOf(resp, users.keys)).toEqual([]);
  });

  test("failures are forgotten so long after the last one, and no earlier", async () => {
    await failures(5);
    await pass(299 * DAY);
    // The sixth counts as the sixth.
    expect(await failures(2)).toEqual([0, 2]);
    await pass(301 * DAY);
    expect(await failures(5)).toEqual([0, 0, 0, 0, 0]);
  });

  test("accounts, and the devices of one account, do not know each other", async () => {
    await failures(6);
    const others = [
      { username: "bob", device: undefined },
      { username: "ada", device: "laptop" },
      { username: "ada", device: "phone" },
    ];
    for (const other of others) {
      expect((await throttle.reserveInAccount(other)).outcome).toBe("admitted");
    }
    expect(await waitOf()).toBeGreaterThan(0);
  });
});

describe("THR-1: a network", () => {
  test("20 in 10 minutes, whatever the accounts; then all at once again", async () => {
    expect(await requests(20)).toEqual(Array(20).fill(0));
    await pass(4 * MINUTE);
    expect((await requests(1))[0]).toBeLessThanOrEqual(360);
    expect((await requests(1))[0]).toBeGreaterThan(330);
    // A blocked request does not move the end.
    await pass(6 * MINUTE);
    expect(await requests(20)).toEqual(Array(20).fill(0));
    expect((await requests(1))[0]).toBeGreaterThan(0);
  });

  test("a success is no failure, and forgives none", async () => {
    await requests(20);
    await throttle.giveBackToNetwork("login", HERE);
    expect((await requests(2)).map((wait) => wait > 0)).toEqual([false, true]);
    // In a window that has ended meanwhile there is nothing to give back to.
    await pass(11 * MINUTE);
    await throttle.giveBackToNetwork("login", HERE);
    expect(await bucketsOf(resp, users.keys)).toEqual([]);
  });

  test("THR-8, RAU-1: each thing that is limited has its own bucket in each network", async () => {
    await requests(21);
    for (const bucket of ["reauthenticate", "enrol", "register", "suspicious"] as const) {
      expect((await throttle.reserveInNetwork(bucket, HERE)).outcome, bucket).toBe("admitted");
    }
    expect((await throttle.reserveInNetwork("login", THERE)).outcome).toBe("admitted");
  });

  test("THR-8: 300 forged or unknown tokens in a minute, and no more", async () => {
    const flood = Array.from({ length: 320 }, () => throttle.reserveInNetwork("suspicious", HERE));
    const admitted = (await Promise.all(flood)).filter(({ outcome }) => outcome === "admitted");
    expect(admitted).toHaveLength(300);
    await pass(MINUTE);
    expect((await throttle.reserveInNetwork("suspicious", HERE)).outcome).toBe("admitted");
  });
});

describe("THR-3: a decision is one step", () => {
  test("200 at once through two servers: exactly 5 of an account, 20 of a network", async () => {
    const wishes = { throttle: { account: SLOW } };
    const one = await openUsers(redis.url, wishes);
    const two = await openUsers(redis.url, { ...wishes, prefix: one.prefix });
    const servers = [one.throttle, two.throttle];
    const at = (i: number): Throttle => servers[i % 2] ?? throttle;
    const range = Array.from({ length: 200 }, (_, i) => i);
    const accounts = await Promise.all(range.map((i) => at(i).reserveInAccount(ADA)));
    const networks = await Promise.all(range.map((i) => at(i).reserveInNetwork("login", HERE)));
    expect(accounts.filter(({ outcome }) => outcome === "admitted")).toHaveLength(5);
    expect(networks.filter(({ outcome }) => outcome === "admitted")).toHaveLength(20);
    await Promise.all([one.close(), two.close()]);
  });

  test("every bucket ends, also one that lost its end; none has a name or an address in its own", async () => {
    await throttle.reserveInAccount({ username: "hunter2", device: "laptop" });
    await failures(6);
    await requests(21);
    await throttle.giveBackToNetwork("login", HERE);
    await throttle.giveBackToAccount(ADA);
    const buckets = await bucketsOf(resp, users.keys);
    expect(buckets).toHaveLength(3);
    for (const bucket of buckets) {
      expect(bucket).toMatch(/^\{t\d+:rl:(account|net):[\w-]{22}\}$/);
      expect(await resp.command("PTTL", bucket)).toBeGreaterThan(0);
      await resp.command("PERSIST", bucket);
    }
    await failures(1);
    await requests(1);
    await throttle.reserveInAccount({ username: "hunter2", device: "laptop" });
    for (const bucket of buckets) expect(await resp.command("PTTL", bucket)).toBeGreaterThan(0);
  });

  test("another key, other names: what Redis keeps cannot be checked against a list of names", async () => {
    const [mine] = [...(await failures(1)), ...(await bucketsOf(resp, users.keys))].slice(1);
    const { driver, keys } = users;
    const other = new Throttle({ driver, keys, key: Buffer.alloc(32, "x") });
    await other.reserveInAccount(ADA);
    const buckets = await bucketsOf(resp, keys);
    expect(buckets).toContain(mine);
    expect(buckets).toHaveLength(2);
    expect(() => new Throttle({ driver, keys, key: Buffer.alloc(31) })).toThrow(/key/);
  });
});

describe("THR-5: who cannot be counted is not let in", () => {
  test("a Redis that is full", async () => {
    await failures(1);
    await resp.command("CONFIG", "SET", "maxmemory", "1");
    try {
      const full = { code: "store-unavailable" };
      await expect(throttle.reserveInAccount(ADA)).rejects.toMatchObject(full);
      await expect(throttle.reserveInNetwork("login", HERE)).rejects.toMatchObject(full);
      // What makes room is accepted.
      await throttle.clearAccount(ADA);
    } finally {
      await resp.command("CONFIG", "SET", "maxmemory", "0");
    }
    expect(await failures(5)).toEqual([0, 0, 0, 0, 0]);
  });

  test("a bucket that holds something foreign", async () => {
    await failures(1);
    await requests(1);
    for (const value of [
      ["LPUSH", "x"],
      ["SET", "many"],
      ["SET", "-5"],
    ]) {
      const [command = "", text = ""] = value;
      for (const bucket of await bucketsOf(resp, users.keys)) {
        await resp.command("DEL", bucket);
        await resp.command(command, bucket, text);
      }
      const foreign = { code: "store-unavailable" };
      await expect(throttle.reserveInAccount(ADA)).rejects.toMatchObject(foreign);
      await expect(throttle.reserveInNetwork("login", HERE)).rejects.toMatchObject(foreign);
    }
  });

  test("scripts that Redis has forgotten are sent again", async () => {
    await failures(4);
    await resp.command("SCRIPT", "FLUSH");
    expect(await failures(2)).toEqual([0, 1]);
  });
});

describe("THR-7: the mark of a known device", () => {
  const [first, second] = [Buffer.alloc(32, "1"), Buffer.alloc(32, "2")];
  const marks = new DeviceMarks({ keys: [first] });
  const mark = marks.issue("ada");

  test("names one device of one user", () => {
    expect(mark).toMatch(/^[\w-]{22}\.[\w-]{43}$/);
    expect(marks.deviceOf(mark, "ada")).toBe(mark.slice(0, 22));
    expect(marks.deviceOf(mark, "bob")).toBeUndefined();
    expect(marks.deviceOf(marks.issue("ada"), "ada")).not.toBe(mark.slice(0, 22));
  });

  test("keys change: the first signs, all verify, one that was taken away does not", () => {
    const ring = new DeviceMarks({ keys: [second, first] });
    expect(ring.deviceOf(mark, "ada")).toBeDefined();
    expect(marks.deviceOf(ring.issue("ada"), "ada")).toBeUndefined();
    expect(new DeviceMarks({ keys: [second] }).deviceOf(mark, "ada")).toBeUndefined();
    for (const keys of [[], [first.subarray(1)], [first, second.subarray(1)]]) {
      expect(() => new DeviceMarks({ keys })).toThrow(/keys/);
    }
  });

  test.each([
    ["none", undefined],
    ["nothing", ""],
    ["the device alone", mark.slice(0, 22)],
    ["another device", `${"A".repeat(22)}${mark.slice(22)}`],
    ["a bit of the device", flipped(mark, 0)],
    // The last character of 43 has two spare bits: another spelling of one MAC is another text.
    ["another spelling of the end", flipped(mark, mark.length - 1)],
    ["one character less", mark.slice(0, -1)],
    ["one more", `${mark}A`],
    ["a line break", `${mark}\n`],
    ["10 kB", "A".repeat(10_000)],
  ])("ENU-3: %s is no mark", (_what, text) => {
    expect(marks.deviceOf(text, "ada")).toBeUndefined();
  });
});

test("the rules are those that the documents name", () => {
  expect(ACCOUNT_RULE).toEqual({
    ...{ freeFailures: 5, firstDelayMs: 1_000, longestDelayMs: 15 * MINUTE },
    ...{ stopAfter: 100, memoryMs: 30 * DAY },
  });
  expect(NETWORK_RULES.login).toEqual({ most: 20, windowMs: 10 * MINUTE });
  expect(NETWORK_RULES.suspicious).toEqual({ most: 300, windowMs: MINUTE });
});

/** Hours to wait at an account; 0: admitted, and counted. */
async function waitOf(): Promise<number> {
  const admission = await throttle.reserveInAccount(ADA);
  return admission.outcome === "admitted" ? 0 : Math.ceil(admission.retryAfterSeconds / 3_600);
}

async function failures(count: number): Promise<number[]> {
  const waits: number[] = [];
  for (let i = 0; i < count; i++) waits.push(await waitOf());
  return waits;
}

/** Seconds to wait in a network. */
async function requests(count: number): Promise<number[]> {
  const waits: number[] = [];
  for (let i = 0; i < count; i++) {
    const admission = await throttle.reserveInNetwork("login", HERE);
    waits.push(admission.outcome === "admitted" ? 0 : admission.retryAfterSeconds);
  }
  return waits;
}

async function pass(ms: number): Promise<void> {
  await elapse(resp, users.keys, ms);
}

function flipped(text: string, at: number): string {
  const other = text[at] === "B" ? "A" : "B";
  return text.slice(0, at) + other + text.slice(at + 1);
}
