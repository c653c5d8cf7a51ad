/**
 * Promises of the port that a store does not keep yet, each in its fewest steps. They are expected to
 * fail; one that passes has been mended, and then belongs to the conformance suite, and what steps
 * around it here goes: `isRepeatOfDead` and `isPlain` in verbs.ts, "repeated" in history.ts.
 */
import type { Life, Reauthentication, Rotation, SessionId, SessionStore } from "latchkey";
import { expect, test } from "vitest";
import { FIXED, HASH, HOUR, login, newSession, openStore, useServers } from "../support/stores.ts";
import { onMemory } from "./system.ts";

const MINUTE = 60_000;
const SLIDING: Life = { idleTimeoutMs: 10 * MINUTE, absoluteTimeoutMs: HOUR };
const user = "ada";

const servers = useServers();

/** A new id where the id is the token. */
function rotation(store: SessionStore, sid: SessionId, wish: Partial<Rotation> = {}): Rotation {
  const next = { sid: store.mintId(user, sid), secretHash: undefined, seed: undefined };
  const graceMs = 2 * MINUTE;
  return { ...{ sid, user, secretHash: undefined, next, graceMs, login: undefined }, ...wish };
}

const STORES: [string, () => Promise<SessionStore>][] = [
  ["memory", async () => onMemory().servers[0]],
  ["Redis", async () => (await onOneRedis()).store],
];

async function onOneRedis() {
  const { redis, resp } = servers();
  return openStore(redis.url, [resp]);
}

// Who asks again is answered from the note of the old id, and nobody looks where it leads.
test.fails.each(STORES)("a revoked session is gone for its old id, too (%s)", async (_n, open) => {
  const store = await open();
  const sid = await login(store, user);
  await store.rotate(rotation(store, sid));
  await store.revoke(sid);
  expect(await store.rotate(rotation(store, sid))).toEqual({ outcome: "gone" });
});

// A browser that is told so loses a session that lives: the id between was ended at once.
test.fails.each(STORES)("nobody is told of an id that is dead (%s)", async (_n, open) => {
  const store = await open();
  const sid = await login(store, user);
  await store.rotate(rotation(store, sid));
  await store.rotate(rotation(store, sid, { graceMs: 0 }));
  const repeated = await store.rotate(rotation(store, sid));
  const told = repeated.outcome === "repeated" ? repeated.sid : undefined;
  expect(told && (await store.load(told)).outcome).not.toBe("rotated");
});

// Redis keeps no record of a session that is nothing but a user and an end; a login adds to none.
test.fails("a login over a session without record keeps the device", async () => {
  const { store } = await onOneRedis();
  const { next } = await renewed(store, { device: "phone" });
  expect(await store.load(next.sid)).toMatchObject({ record: { device: "phone" } });
});

test.fails("an idle timeout that begins at such a login is moved by use", async () => {
  const { store, space } = await onOneRedis();
  const { next } = await renewed(store, { life: SLIDING });
  await space.elapse(5 * MINUTE);
  await store.touch({ sid: next.sid, user }, SLIDING, 0);
  await space.elapse(6 * MINUTE);
  expect(await store.load(next.sid)).toMatchObject({ outcome: "found" });
});

async function renewed(store: SessionStore, wish: Partial<Reauthentication>): Promise<Rotation> {
  const sid = await login(store, user);
  const again = { life: FIXED, generation: undefined, device: undefined, ...wish };
  const wanted = rotation(store, sid, { graceMs: 0, login: again });
  expect(await store.rotate(wanted)).toMatchObject({ outcome: "rotated" });
  return wanted;
}

// The string is still there until it is cleared away, and revoke.lua asks for nothing else.
test.fails("what a revoke-all has ended is absent, not ended once more", async () => {
  const { store } = await onOneRedis();
  const sid = await login(store, user, HOUR, HASH);
  // A script that Redis has yet to learn takes two turns.
  await store.revokeUser("nobody", FIXED);
  await store.revoke(store.mintId(user), user);
  await store.load(sid);
  const ending = store.revokeUser(user, FIXED);
  // One connection: these come right behind the script that ends them all.
  const [loaded, revoked] = await Promise.all([store.load(sid), store.revoke(sid, user)]);
  expect([loaded.outcome, revoked, await ending]).toEqual(["missing", "absent", 1]);
});

// The barrier lasts as long as the longest life that a revoke-all has named; a login names none. A
// server with another absolute timeout, or the same one before it was made shorter, is enough.
test.fails.each([
  ["that no list knows any more", (prefix: string) => ["DEL", `{${prefix}user:${user}}:sessions`]],
  ["that was made by hand", (prefix: string, sid: string) => ["DEL", `{${prefix}${sid}}:record`]],
])("a revoke-all ends a session with a longer life for good, also one %s", async (_n, lose) => {
  const { store, space, prefix } = await onOneRedis();
  const sid = await login(store, user, 3 * HOUR, HASH);
  await servers().resp.command(...lose(prefix, sid));
  await servers().resp.command("DEL", `{${prefix}user:${user}}:sessions`);
  await store.revokeUser(user, FIXED);
  expect(await store.load(sid)).toEqual({ outcome: "missing" });
  await space.elapse(HOUR);
  expect(await store.load(sid)).toEqual({ outcome: "missing" });
});

// "Undefined: use prolongs nothing", says the port. No manager asks so: it then touches never.
test.fails.each(STORES)("a touch without an idle timeout moves nothing (%s)", async (_n, open) => {
  const store = await open();
  const sid = store.mintId(user);
  await store.create(newSession(sid, { user, life: SLIDING, secretHash: HASH }));
  const touched = await store.touch({ sid, user }, FIXED, 0);
  const remainingMs = touched.outcome === "live" ? touched.remainingMs : 0;
  expect(remainingMs).toBeLessThanOrEqual(10 * MINUTE);
});
