/**
 * One suite for every driver: both client libraries, each on a single Redis, through Sentinel and on a
 * Cluster, by URL and with a client that the application brings.
 */

import { createHash } from "node:crypto";
import { connect, driverFor, type Library, type RedisDriver, type Script } from "latchkey/redis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startRedis } from "./support/redis-server.ts";
import { respOnce } from "./support/resp.ts";
import {
  KINDS,
  LIBRARIES,
  type Opened,
  openClient,
  openUrl,
  usePlaces,
} from "./support/topologies.ts";
import { until } from "./support/until.ts";

/** What is answered is tested here; how fast: tests/faults. */
const PATIENT_MS = 30_000;
const placeOf = usePlaces();

const ECHO = script("#!lua flags=no-writes\nreturn {KEYS[1], ARGV[1], redis.call('GET', KEYS[1])}");
const KEEP = script("#!lua\nredis.call('SET', KEYS[1], ARGV[1])\nreturn {KEYS[1], 'kept'}");
const FAIL = script("#!lua\nreturn redis.error_reply('ERR as asked')");
const LIE = script("#!lua flags=no-writes\nreturn {'another key', 'somebody'}");

describe.each(KINDS)("%s, %s", (library, topology) => {
  describe.each(["by URL", "client brought"] as const)("%s", (way) => {
    let opened: Opened;
    let driver: RedisDriver;

    beforeAll(async () => {
      const place = placeOf(topology);
      opened =
        way === "by URL"
          ? await openUrl(library, place.url, PATIENT_MS)
          : await openClient(library, place, PATIENT_MS);
      driver = opened.driver;
      // A client that was brought says "ready" before it has a connection to each node.
      for (const key of keys(way)) await until(() => answers(driver, key));
    });
    afterAll(async () => opened?.close());

    test("it says what it is", () => {
      expect(driver).toMatchObject({ library, topology });
    });

    test("a command, on any node", async () => {
      for (const key of keys(way)) {
        expect(await driver.command(key, ["SET", key, "1"])).toBe("OK");
        expect(await driver.command(key, ["GET", key])).toBe("1");
      }
      expect(await driver.command("", ["PING"])).toBe("PONG");
    });

    test("a missing key is null", async () => {
      expect(await driver.command("absent", ["GET", "absent"])).toBeNull();
      expect(await driver.script(ECHO, ["absent"], ["x"])).toEqual(["x", null]);
    });

    test("a script runs, also after the servers forgot it", async () => {
      for (const key of keys(way)) {
        expect(await driver.script(KEEP, [key], ["v"])).toEqual(["kept"]);
        await Promise.all(
          placeOf(topology).primaries.map((node) => node.command("SCRIPT", "FLUSH")),
        );
        expect(await driver.script(ECHO, [key], ["a"])).toEqual(["a", "v"]);
      }
    });

    test("any text comes back as it was", async () => {
      const texts = ["", "\0\r\n\"'\\", "🔑名前", "x".repeat(100_000)];
      for (const text of texts) {
        await driver.script(KEEP, ["text"], [text]);
        expect(await driver.script(ECHO, ["text"], [text])).toEqual([text, text]);
      }
    });

    test("among many calls at once, each gets its own answer or its own error", async () => {
      const calls = Array.from({ length: 300 }, async (_, i) => {
        const key = `many${i}`;
        if (i % 3 === 0) return driver.script(FAIL, [key], []);
        if (i % 3 === 1) await driver.script(KEEP, [key], [String(i)]);
        return driver.script(ECHO, [key], [String(i)]);
      });
      for (const [i, outcome] of (await Promise.allSettled(calls)).entries()) {
        if (i % 3 === 0) {
          expect(outcome).toMatchObject({ reason: { code: "store-unavailable" } });
        } else {
          expect(outcome).toMatchObject({ value: [String(i), i % 3 === 1 ? String(i) : null] });
        }
      }
    });

    test("a reply that names another key is not served, and the next one is right", async () => {
      await driver.script(KEEP, ["mine"], ["me"]);
      const shifted = driver.script(LIE, ["mine"], []);
      await expect(shifted).rejects.toMatchObject({ code: "store-unavailable" });
      await expect
        .poll(() => driver.script(ECHO, ["mine"], ["a"]).catch(() => "not yet"), {
          timeout: 20_000,
        })
        .toEqual(["a", "me"]);
    });

    test("a wrong type, a wrong command: store-unavailable, and it goes on", async () => {
      await driver.command("list", ["DEL", "list"]);
      await driver.command("list", ["RPUSH", "list", "x"]);
      for (const args of [
        ["GET", "list"],
        ["NOSUCHCOMMAND", "list"],
      ]) {
        const refused = driver.command("list", args);
        await expect(refused).rejects.toMatchObject({ code: "store-unavailable" });
      }
      expect(await driver.command("list", ["LLEN", "list"])).toBe(1);
    });

    test("once closed, it answers at once that it cannot", async () => {
      const place = placeOf(topology);
      const other =
        way === "by URL"
          ? await openUrl(library, place.url, PATIENT_MS)
          : await openClient(library, place, PATIENT_MS);
      await other.close();
      const refused = other.driver.command("key", ["GET", "key"]);
      await expect(refused).rejects.toMatchObject({ code: "store-unavailable" });
    });
  });
});

describe("what does not fit is said at the start", () => {
  test.each(LIBRARIES)("%s: a replica, a wrong password, a database too many", async (library) => {
    const primary = await startRedis();
    const follow = ["--replicaof", "127.0.0.1", String(primary.port)];
    const replica = await startRedis({ args: follow });
    const locked = await startRedis({ args: ["--requirepass", "secret"] });
    try {
      const at = (port: number, rest = "", who = ""): string =>
        `redis://${who}127.0.0.1:${port}${rest}`;
      await expectRefused(library, at(replica.port), /READONLY, it is a replica/);
      await expectRefused(library, at(locked.port), /NOAUTH, it wants a password/);
      await expectRefused(library, at(locked.port, "", ":wrong@"), /WRONGPASS, it refuses/);
      await expectRefused(library, at(primary.port, "/99"), /ERR, it refuses/);
      await expectRefused(library, `redis+cluster://127.0.0.1:${primary.port}`, /is no Cluster/);
      const open = await connect(at(locked.port, "/3", ":secret@"), { library });
      await open.command("k", ["SET", "k", "in 3"]);
      await open.close();
    } finally {
      await Promise.all([replica.stop(), primary.stop(), locked.stop()]);
    }
  });

  test.each(LIBRARIES)("%s: a server without flags for scripts", async (library) => {
    const old = await startRedis();
    await respOnce(old.port, "ACL", "SETUSER", "old", "on", ">x", "~*", "+@all", "-eval");
    await expectRefused(library, `redis://old:x@127.0.0.1:${old.port}`, /NOPERM, the ACL/);
    await old.stop();
  });

  test.each(LIBRARIES)(
    "%s: nothing is run as `default` when the password is wrong",
    async (library) => {
      const redis = await startRedis();
      await respOnce(redis.port, "ACL", "SETUSER", "app", "on", ">right", "~*", "+@all");
      await respOnce(redis.port, "CONFIG", "RESETSTAT");
      await expectRefused(library, `redis://app:wrong@127.0.0.1:${redis.port}/1`, /WRONGPASS/);
      const stats = String(await respOnce(redis.port, "INFO", "commandstats"));
      expect(stats).not.toMatch(/cmdstat_(eval|select|hello|client)/);
      await redis.stop();
    },
  );

  test("a Sentinel that does not know the name", async () => {
    const url = placeOf("sentinel").url.replace(/\/main$/, "/other");
    const refused = connect(url, { timeoutMs: 500 });
    await expect(refused).rejects.toThrow(/no Sentinel knows a primary named other/);
  });
});

describe("a client whose options break a promise is refused by name", () => {
  test.each([
    ["enableOfflineQueue", { enableOfflineQueue: true }],
    ["autoResendUnfulfilledCommands", { autoResendUnfulfilledCommands: true }],
    ["maxRetriesPerRequest", { maxRetriesPerRequest: 20 }],
    ["keyPrefix", { keyPrefix: "app:" }],
    ["stringNumbers", { stringNumbers: true }],
    ["enableAutoPipelining", { enableAutoPipelining: true }],
  ])("ioredis: %s", async (option, wrong) => {
    const { Redis } = await import("ioredis");
    const safe = { enableOfflineQueue: false, autoResendUnfulfilledCommands: false };
    const client = new Redis({ lazyConnect: true, maxRetriesPerRequest: 0, ...safe, ...wrong });
    expect(() => driverFor(client)).toThrow(option);
  });

  test.each([
    ["enableOfflineQueue", { enableOfflineQueue: true }],
    ["retryDelayOnFailover", { retryDelayOnFailover: 100 }],
    ["scaleReads", { scaleReads: "slave" as const }],
    ["keyPrefix", { redisOptions: { keyPrefix: "app:" } }],
  ])("ioredis Cluster: %s", async (option, wrong) => {
    const { Cluster } = await import("ioredis");
    const safe = { enableOfflineQueue: false, retryDelayOnFailover: 0, lazyConnect: true };
    const client = new Cluster([{ host: "127.0.0.1", port: 1 }], { ...safe, ...wrong });
    expect(() => driverFor(client)).toThrow(option);
  });

  test.each([
    ["keyPrefix", { keyPrefix: "app:" }],
    ["socketTimeout", { socket: { socketTimeout: 1_000 } }],
    ["reconnectStrategy", { socket: { reconnectStrategy: false as const } }],
  ])("node-redis: %s", async (option, wrong) => {
    const { createClient } = await import("redis");
    expect(() => driverFor(createClient(wrong))).toThrow(option);
  });

  test("something else is no client", () => {
    expect(() => driverFor({} as Parameters<typeof driverFor>[0])).toThrow("must be a client of");
  });
});

test.each(LIBRARIES)("%s: one call too many in flight fails at once", async (library) => {
  const redis = await startRedis();
  const { driver, close } = await openUrl(library, redis.url, PATIENT_MS);
  await redis.kill("SIGSTOP");
  const calls = Array.from({ length: 5_000 }, (_, i) => driver.command("k", ["ECHO", String(i)]));
  const settled = Promise.allSettled(calls);
  await expect(driver.command("k", ["ECHO", "more"])).rejects.toThrow("more than 5000 calls");
  await redis.kill("SIGCONT");
  const answers = await settled;
  const right = answers.filter(
    (answer, i) => answer.status === "fulfilled" && answer.value === String(i),
  );
  expect(right.length).toBeGreaterThan(4_990);
  await close();
  await redis.stop();
});

async function expectRefused(library: Library, url: string, why: RegExp): Promise<void> {
  const refused = connect(url, { library, timeoutMs: 500 });
  await expect(refused).rejects.toMatchObject({ code: "store-unavailable" });
  await expect(refused).rejects.toThrow(why);
}

/** Enough to meet every node of a Cluster. */
function keys(prefix: string): string[] {
  return Array.from({ length: 12 }, (_, i) => `${prefix}:${i}`);
}

async function answers(driver: RedisDriver, key: string): Promise<boolean> {
  return driver.command(key, ["EXISTS", key]).then(
    () => true,
    () => false,
  );
}

function script(lua: string): Script {
  return { lua, sha1: createHash("sha1").update(lua).digest("hex") };
}
