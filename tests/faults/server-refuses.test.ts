/**
 * What a server can say instead of an answer. Promise: every call is answered in its time, with 503 and
 * never "missing"; reads go on where the server still serves them; it works again within 1 s; and no
 * refusal of ours fills anybody's log.
 */
import type { SessionId, SessionStore } from "latchkey";
import { redisStore } from "latchkey/redis";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startRedis, type TestRedis } from "../support/redis-server.ts";
import { connectResp, type Resp, respOnce } from "../support/resp.ts";
import { breakSaving, mendSaving } from "../support/saving.ts";
import { HASH, HOUR, login, newSession } from "../support/stores.ts";
import { LIBRARIES } from "../support/topologies.ts";
import { until } from "../support/until.ts";

const ANSWER_LIMIT_MS = 2 * 250;
const RECOVERY_LIMIT_MS = 2 * 1_000;
const AFTER_REFUSAL_LIMIT_MS = 2 * 2_000;

let redis: TestRedis;
let resp: Resp;
let store: SessionStore;
let sid: SessionId;

async function open(library: (typeof LIBRARIES)[number], args: string[] = []): Promise<void> {
  redis = await startRedis({ args });
  resp = await connectResp(redis.port);
  await resp.command("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all");
  store = await redisStore({ url: `redis://app:secret@127.0.0.1:${redis.port}`, library });
  sid = await login(store, "ada", HOUR, HASH);
}

afterEach(async () => {
  await store?.close();
  resp?.close();
  await redis?.stop();
});

describe.each(LIBRARIES)("%s", (library) => {
  beforeEach(async () => open(library));

  test("READONLY: demoted to a replica of nobody", async () => {
    await resp.command("CONFIG", "SET", "replica-serve-stale-data", "yes");
    await resp.command("REPLICAOF", "127.0.0.1", "1");
    await expectRefused(write, /READONLY|it is a replica/);
    // It has stopped to trust what it reads there, too.
    await until(async () => (await answer(read)).startsWith("store-unavailable"));
    await resp.command("REPLICAOF", "NO", "ONE");
    await expectBack();
  });

  test("MASTERDOWN: a replica without its primary", async () => {
    await resp.command("CONFIG", "SET", "replica-serve-stale-data", "no");
    await resp.command("REPLICAOF", "127.0.0.1", "1");
    await expectRefused(read, /MASTERDOWN/);
    await resp.command("REPLICAOF", "NO", "ONE");
    await expectBack();
  });

  test("NOREPLICAS: reads go on, writes are refused", async () => {
    await resp.command("CONFIG", "SET", "min-replicas-to-write", "1");
    await expectRefused(write, /NOREPLICAS/);
    await expectRefused(() => store.revoke(sid), /NOREPLICAS/);
    expect(await answer(read)).toBe("found");
    const another = await redisStore({ url: redis.url, library });
    expect(await another.load(sid)).toMatchObject({ outcome: "found" });
    await another.close();
    await resp.command("CONFIG", "SET", "min-replicas-to-write", "0");
    await expectBack();
  });

  test("MISCONF: reads go on, writes are refused and change nothing", async () => {
    await breakSaving(resp);
    await expectRefused(write, /MISCONF/);
    await expectRefused(() => store.revoke(sid, "ada"), /MISCONF/);
    expect(await answer(read)).toBe("found");
    const another = await redisStore({ url: redis.url, library });
    expect(await another.load(sid)).toMatchObject({ outcome: "found" });
    await another.close();
    expect((await store.list("eve")).records).toEqual([]);
    await mendSaving(resp);
    await expectBack();
  });

  test("BUSY: a neighbour's script runs for ever", async () => {
    await resp.command("CONFIG", "SET", "busy-reply-threshold", "100");
    const neighbour = await connectResp(redis.port);
    const endless = neighbour.command("EVAL", "while true do end", "0").catch(() => "killed");
    await until(async () => (await answer(read)).includes("BUSY"));
    await expectRefused(write, /BUSY|no answer|probe|not connected|Redis/);
    await resp.command("SCRIPT", "KILL");
    expect(await endless).toBe("killed");
    neighbour.close();
    await expectBack();
  });

  test("NOPERM: the ACL was narrowed", async () => {
    await resp.command("ACL", "SETUSER", "app", "-eval", "-evalsha");
    await expectRefused(read, /NOPERM/);
    await resp.command("ACL", "SETUSER", "app", "+eval", "+evalsha");
    await expectBack();
  });

  test("WRONGPASS: the password was changed; it asks no more than once a second", async () => {
    await resp.command("ACL", "SETUSER", "app", "resetpass", ">new");
    await resp.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await until(async () => (await answer(read)).includes("WRONGPASS"));
    await resp.command("CONFIG", "RESETSTAT");
    const start = performance.now();
    await until(() => performance.now() - start > 2_000);
    const stats = String(await resp.command("INFO", "commandstats"));
    const auths = Number(/cmdstat_auth:calls=(\d+)/.exec(stats)?.[1] ?? 0);
    expect(auths).toBeLessThanOrEqual(2 * 2);
    // Nothing was run as anybody else.
    expect(stats).not.toMatch(/cmdstat_eval/);
    await resp.command("ACL", "SETUSER", "app", ">secret");
    await expectBack(AFTER_REFUSAL_LIMIT_MS);
  });

  test("maxclients: no room for another connection", async () => {
    await resp.command("CONFIG", "SET", "maxclients", "1");
    await resp.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    // First it may be one that its client can write to no more.
    const refusal = /max number of clients|no answer|not connected|closed|ERR/;
    await until(async () => refusal.test(await answer(read)));
    await expectRefused(read, refusal);
    await resp.command("CONFIG", "SET", "maxclients", "100");
    await expectBack(AFTER_REFUSAL_LIMIT_MS);
  });

  test("CLIENT KILL: a read that is under way does not notice", async () => {
    for (let round = 0; round < 20; round++) {
      const killed = resp.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
      expect(await answer(read)).toBe("found");
      await killed;
      await expectBack();
    }
  });

  test("CLIENT PAUSE WRITE: reads go on, a write is unknown", async () => {
    // A script that Redis has yet to learn counts as a write.
    expect(await answer(read)).toBe("found");
    await resp.command("CLIENT", "PAUSE", "600", "WRITE");
    expect(await answer(read)).toBe("found");
    await expectRefused(write, /no answer in 250 ms/);
    await expectBack();
  });

  test("SCRIPT FLUSH: nobody notices", async () => {
    await resp.command("SCRIPT", "FLUSH");
    expect(await answer(read)).toBe("found");
    expect(await answer(write)).toBe("created");
  });

  test("frozen at the start: refused in time, and nothing is left open", async () => {
    await redis.kill("SIGSTOP");
    const start = performance.now();
    const { connect } = await import("latchkey/redis");
    await expect(connect(redis.url, { library, timeoutMs: 500 })).rejects.toMatchObject({
      code: "store-unavailable",
    });
    expect(performance.now() - start).toBeLessThan(2 * 500);
    await redis.kill("SIGCONT");
    await expectBack();
  });
});

const read = async (): Promise<string> => (await store.load(sid)).outcome;
const write = async (): Promise<string> => {
  const fresh = store.mintId("eve");
  return (await store.create(newSession(fresh, { user: "eve", secretHash: HASH }))).outcome;
};

/** What a call resolved to, or the code and the words of its error; in its time. */
async function answer(call: () => Promise<string>): Promise<string> {
  const start = performance.now();
  const text = await call().catch((error) => `${error.code}: ${error.message}`);
  expect(performance.now() - start).toBeLessThan(ANSWER_LIMIT_MS);
  return text;
}

async function expectRefused(call: () => Promise<string>, why: RegExp): Promise<void> {
  const text = await answer(call);
  expect(text).toMatch(/^store-unavailable: /);
  expect(text).toMatch(why);
}

async function expectBack(limitMs = RECOVERY_LIMIT_MS): Promise<void> {
  const start = performance.now();
  await until(async () => (await answer(write)) === "created" && (await answer(read)) === "found");
  expect(performance.now() - start).toBeLessThan(limitMs);
  // The keeper of the server can still get in by the way he always had.
  expect(await respOnce(redis.port, "PING")).toBe("PONG");
}
