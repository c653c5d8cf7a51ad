/**
 * Redis dies and comes back with what it last wrote to its disk. Promise: with an append-only file, all
 * that was acknowledged holds. With a snapshot alone, time goes back to it, which no client can undo: a
 * session that was ended since is alive again. It is printed, docs/guide/redis.md says so, and this
 * fails as soon as either is not true any more.
 *
 * What holds even then: deadlines are instants, so what ran out is not back; a login that is lost is
 * "missing" and never another's; and whoever is logged out once more is out.
 */
import type { SessionId, SessionStore } from "latchkey";
import { redisStore } from "latchkey/redis";
import { expect, test } from "vitest";
import { startRedis, type TestRedis } from "../support/redis-server.ts";
import { respOnce } from "../support/resp.ts";
import { HASH, HOUR, login } from "../support/stores.ts";
import { until } from "../support/until.ts";

const APPEND_ONLY = ["--appendonly", "yes", "--appendfsync", "always"];
const NEW_HASH = "n".repeat(43);
/** Ends after the snapshot, while Redis is away. */
const BRIEF_MS = 1_500;

interface Told {
  readonly args: readonly string[];
  /** Of what happened after the snapshot. */
  readonly after: Readonly<Record<string, string>>;
}

const HOLDS = "holds";
const UNDONE = "is undone";
const CASES: Readonly<Record<string, Told>> = {
  "an append-only file": {
    args: APPEND_ONLY,
    after: {
      ...{ logout: HOLDS, "logout everywhere": HOLDS, rotation: HOLDS, update: HOLDS },
      ...{ login: HOLDS, expiry: HOLDS },
    },
  },
  "a snapshot alone": {
    args: [],
    after: {
      ...{ logout: UNDONE, "logout everywhere": UNDONE, rotation: UNDONE, update: UNDONE },
      ...{ login: UNDONE, expiry: HOLDS },
    },
  },
};

test.each(Object.entries(CASES))("back with %s", async (name, { args, after }) => {
  const redis = await startRedis({ args });
  const store = await redisStore({ url: redis.url });
  const stays = await login(store, "ada", HOUR, HASH);
  const out = await login(store, "bob", HOUR, HASH);
  const everywhere = await login(store, "eve", HOUR, HASH);
  const rotated = await login(store, "rob", HOUR, HASH);
  const changed = await login(store, "kim", HOUR, HASH);
  const brief = await login(store, "tim", BRIEF_MS, HASH);
  await respOnce(redis.port, "SAVE");

  expect(await store.revoke(out)).toBe("revoked");
  expect(await store.revokeUser("eve")).toBe(1);
  const became = await rotate(store, rotated);
  const change = { set: new Map([["a", "1"]]), unset: new Set<string>(), ifVersion: undefined };
  expect(await store.update(changed, change)).toEqual({ outcome: "updated", version: 1 });
  const late = await login(store, "joe", HOUR, HASH);
  await comeBack(redis, store, stays);
  await outlive(store, brief);

  const found = async (sid: SessionId): Promise<boolean> =>
    (await store.load(sid)).outcome === "found";
  const held = {
    logout: !(await found(out)),
    "logout everywhere": !(await found(everywhere)),
    rotation: await found(became),
    update: (await found(changed)) && (await versionOf(store, changed)) === 1,
    login: await found(late),
    expiry: !(await found(brief)),
  };
  const told = Object.fromEntries(
    Object.entries(held).map(([what, holds]) => [what, holds ? HOLDS : UNDONE]),
  );
  console.log(`back with ${name}: ${JSON.stringify(told)}`);
  expect(told).toEqual(after);
  expect(await store.load(stays)).toMatchObject({ outcome: "found", record: { user: "ada" } });

  // Whatever came undone can be done again, and holds then.
  for (const sid of [out, rotated, became, late]) await store.revoke(sid);
  await store.revokeUser("eve");
  for (const sid of [out, everywhere, rotated, became, late]) expect(await found(sid)).toBe(false);
  expect(await found(await login(store, "eve", HOUR, HASH))).toBe(true);
  await store.close();
  await redis.stop();
});

async function rotate(store: SessionStore, sid: SessionId): Promise<SessionId> {
  const next = { sid: store.mintId("rob", sid), secretHash: NEW_HASH, seed: undefined };
  const how = { user: "rob", secretHash: HASH, next, graceMs: 0, login: undefined };
  expect(await store.rotate({ sid, ...how })).toMatchObject({ outcome: "rotated" });
  return next.sid;
}

async function versionOf(store: SessionStore, sid: SessionId): Promise<number | undefined> {
  const loaded = await store.load(sid);
  return loaded.outcome === "found" ? loaded.record.version : undefined;
}

/** Dies and restarts. Until it is back, nobody is told that there is no session. */
async function comeBack(redis: TestRedis, store: SessionStore, stays: SessionId): Promise<void> {
  await redis.kill("SIGKILL");
  await redis.restart();
  await until(async () => {
    const outcome = await store.load(stays).then(
      (loaded) => loaded.outcome,
      (error) => String(error.code),
    );
    expect(["found", "store-unavailable"]).toContain(outcome);
    return outcome === "found";
  });
}

/** It is the clock of Redis that ends a session, so its time has to pass. */
async function outlive(store: SessionStore, sid: SessionId): Promise<void> {
  await until(async () => (await store.load(sid)).outcome === "missing");
}
