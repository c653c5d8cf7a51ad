/** Beginning, finding and ending: mintId, create, load, touch, close. */
import assert from "node:assert/strict";
import { GRACE, rotated, rotation } from "./rotating.ts";
import {
  atOnce,
  begin,
  type Check,
  FIXED,
  fields,
  found,
  HASH,
  HOUR,
  listed,
  MARGIN,
  MINUTE,
  missing,
  NAMES,
  newSession,
  SHORT,
  SLIDING,
} from "./steps.ts";

export const MINT: Record<string, Check> = {
  "an id is 24 characters of base64url, and no two agree": async ({ store }) => {
    const ids = Array.from({ length: 2_000 }, (_, i) => store.mintId(NAMES[i % NAMES.length]));
    ids.push(store.mintId());
    for (const id of ids) assert.match(id, /^[A-Za-z0-9_-]{24}$/);
    assert.equal(new Set(ids).size, ids.length);
  },
};

export const CREATE: Record<string, Check> = {
  "a created session is found by every server, as it was given": async ({ store, other }) => {
    const data = { cart: '["a"]', "": "1", __proto__x: "{}", "a:b": '"é🔑"' };
    for (const life of [FIXED, SLIDING]) {
      const made = await begin(store, { user: "ada", secretHash: HASH, device: "x", life, data });
      for (const server of [store, other]) {
        const loaded = await found(server, made.sid);
        assert.deepEqual(loaded, { ...made, remainingMs: loaded.remainingMs });
        assert.deepEqual([...loaded.data].sort(), [...fields(data)].sort());
        assert.equal(loaded.createdAt, loaded.lastSeenAt);
        assert.equal(loaded.absoluteExpiresAt, (loaded.createdAt ?? 0) + life.absoluteTimeoutMs);
      }
    }
  },
  "a session without secret is found without secret": async ({ store }) => {
    const made = await begin(store, { user: "ada" });
    assert.equal(made.secretHash, undefined);
    assert.equal((await found(store, made.sid)).secretHash, undefined);
  },
  "an anonymous session is found without user": async ({ store }) => {
    const made = await begin(store, { secretHash: HASH });
    assert.equal((await found(store, made.sid)).user, undefined);
  },
  "every username comes back exactly": async ({ store }) => {
    for (const user of [...NAMES, "x".repeat(256)]) {
      const made = await begin(store, { user });
      assert.equal((await found(store, made.sid)).user, user);
      assert.deepEqual(await listed(store, user), [made.sid]);
    }
  },
  "the life is as long as asked for": async ({ store }) => {
    const made = await begin(store, { user: "ada" });
    assert.equal(made.remainingMs, HOUR);
    const loaded = await found(store, made.sid);
    assert.ok(loaded.remainingMs <= HOUR && loaded.remainingMs > HOUR - MARGIN);
    assert.ok(loaded.createdAt === undefined || loaded.createdAt === loaded.expiresAt - HOUR);
  },
  // A naive create is an upsert (SET without NX) and hands the first user's session to the second.
  "an id that is taken is refused, and its session unharmed": async ({ store, other }) => {
    const made = await begin(store, { user: "ada", secretHash: HASH, data: { a: "1" } });
    const again = { ...newSession(store, { user: "ada" }), sid: made.sid };
    assert.deepEqual(await other.create(again), { outcome: "exists" });
    const loaded = await found(store, made.sid);
    assert.deepEqual(loaded, { ...made, remainingMs: loaded.remainingMs });
  },
  // Asking first and writing then (EXISTS, SET) creates several.
  "of 50 that take the same id at once, one gets it": async (harness) => {
    const session = newSession(harness.store, { user: "ada" });
    const outcomes = await atOnce(harness, 50, (store) => store.create(session));
    assert.equal(outcomes.filter(({ outcome }) => outcome === "created").length, 1);
  },
  // Else the token that was rotated away opens the new session, whoever holds it.
  "an id that was rotated away is refused while it is remembered": async (harness) => {
    const { store, other, elapse } = harness;
    for (const graceMs of [GRACE, 0]) {
      const made = await begin(store, { user: "ada" });
      const sid = await rotated(store, rotation(store, made, { graceMs }));
      const again = { ...newSession(store, { user: "ada", data: { a: "1" } }), sid: made.sid };
      for (const passed of [0, GRACE]) {
        await elapse(passed);
        assert.deepEqual(await other.create(again), { outcome: "exists" });
      }
      assert.equal((await store.load(made.sid)).outcome, "rotated");
      assert.equal((await found(store, sid)).data.size, 0);
      await store.revokeUser("ada");
    }
  },
  "a session that ran out is told to one caller only": async (harness) => {
    const { store, elapse } = harness;
    const cap = { max: 2, policy: "reject" } as const;
    for (const user of ["ada", "bob"]) {
      const ended = await begin(store, { user, life: SHORT });
      // Some stores forget a user with the last session.
      for (let i = 0; i < 2; i++) await begin(store, { user });
      await elapse(HOUR / 2);
      // A login that is refused tells of it as well.
      const wishes = user === "ada" ? { user } : { user, cap };
      const outcomes = await atOnce(harness, 20, (at) => at.create(newSession(at, wishes)));
      const told = outcomes.flatMap((answer) => ("expired" in answer ? answer.expired : []));
      assert.deepEqual(told, [ended.sid]);
      assert.deepEqual((await store.list(user)).expired, []);
    }
  },
};

export const LOAD: Record<string, Check> = {
  "an unknown id is missing": async ({ store }) => {
    for (const sid of [store.mintId(), store.mintId("ada")]) await missing(store, sid);
  },
  "a session lives until its deadline and not longer": async ({ store, elapse }) => {
    for (const secretHash of [HASH, undefined]) {
      const made = await begin(store, { user: "ada", secretHash });
      await elapse(HOUR - MARGIN);
      assert.ok((await found(store, made.sid)).remainingMs <= MARGIN);
      await elapse(MARGIN);
      await missing(store, made.sid);
    }
  },
  "loading prolongs nothing": async ({ store, elapse }) => {
    for (const life of [FIXED, { ...SLIDING, idleTimeoutMs: HOUR }]) {
      const made = await begin(store, { user: "ada", life });
      for (let i = 0; i < 6; i++) {
        await store.load(made.sid);
        await elapse(HOUR / 6);
      }
      await missing(store, made.sid);
    }
  },
  "an idle session dies after the idle timeout": async ({ store, elapse }) => {
    const made = await begin(store, { user: "ada", life: SLIDING });
    await elapse(30 * MINUTE - MARGIN);
    await found(store, made.sid);
    await elapse(MARGIN);
    await missing(store, made.sid);
    assert.deepEqual(await listed(store, "ada"), []);
  },
};

export const TOUCH: Record<string, Check> = {
  "use keeps a session alive up to its absolute end and not longer": async (harness) => {
    const { store, elapse } = harness;
    const made = await begin(store, { user: "ada", life: SLIDING });
    for (let used = 0; used < 110; used += 10) {
      await elapse(10 * MINUTE);
      const touched = await store.touch(made, SLIDING, MINUTE);
      assert.equal(touched.outcome, "live", `after ${used + 10} minutes`);
      assert.deepEqual(await listed(store, "ada"), [made.sid]);
    }
    const last = await found(store, made.sid);
    assert.equal(last.expiresAt, last.absoluteExpiresAt);
    await elapse(10 * MINUTE);
    assert.deepEqual(await store.touch(made, SLIDING, MINUTE), { outcome: "gone" });
    await missing(store, made.sid);
  },
  "many in one interval move the deadline once": async (harness) => {
    const { store, elapse } = harness;
    const made = await begin(store, { user: "ada", life: SLIDING });
    await elapse(10 * MINUTE);
    const touched = await atOnce(harness, 100, (at) => at.touch(made, SLIDING, 5 * MINUTE));
    const ends = touched.map((answer) => (answer.outcome === "live" ? answer.expiresAt : 0));
    assert.equal(new Set(ends).size, 1);
    assert.equal((await found(store, made.sid)).expiresAt, ends[0]);
    await elapse(4 * MINUTE);
    const early = await store.touch(made, SLIDING, 5 * MINUTE);
    assert.equal(early.outcome === "live" && early.remainingMs < 27 * MINUTE, true);
    await elapse(MINUTE);
    const due = await store.touch(made, SLIDING, 5 * MINUTE);
    assert.equal(due.outcome === "live" && due.remainingMs > 29 * MINUTE, true);
  },
  "a fixed life does not move": async ({ store, elapse }) => {
    for (const secretHash of [HASH, undefined]) {
      const made = await begin(store, { user: "ada", secretHash });
      await elapse(HOUR / 2);
      const touched = await store.touch(made, FIXED, MINUTE);
      assert.equal(touched.outcome === "live" && touched.remainingMs <= HOUR / 2, true);
    }
  },
  "without an idle timeout a touch moves nothing": async ({ store }) => {
    const made = await begin(store, { user: "ada", life: SLIDING, secretHash: HASH });
    const touched = await store.touch(made, FIXED, 0);
    assert.equal(touched.outcome === "live" && touched.expiresAt, made.expiresAt);
  },
  // A server with other settings, say during a deployment, must not cut anybody's session short.
  "a shorter idle timeout does not move the deadline back": async ({ store, other, elapse }) => {
    const made = await begin(store, { user: "ada", life: SLIDING, secretHash: HASH });
    await elapse(10 * MINUTE);
    const { expiresAt } = await found(store, made.sid);
    const hasty = { ...SLIDING, idleTimeoutMs: 5 * MINUTE };
    const touched = await other.touch(made, hasty, MINUTE);
    assert.equal(touched.outcome === "live" && touched.expiresAt, expiresAt);
    assert.equal((await found(store, made.sid)).expiresAt, expiresAt);
    await elapse(10 * MINUTE);
    await found(store, made.sid);
  },
  // EXPIRE-based touches are safe here; SET-based ones (a whole-session save) revive it.
  "a dead session is not touched back to life": async ({ store, other }) => {
    const made = await begin(store, { user: "ada", life: SLIDING });
    await store.revoke(made.sid);
    assert.deepEqual(await other.touch(made, SLIDING, 0), { outcome: "gone" });
    await missing(store, made.sid);
    assert.deepEqual(await listed(store, "ada"), []);
  },
};

export const CLOSE: Record<string, Check> = {
  "the sessions stay, for every other server": async ({ store, other }) => {
    const made = await begin(store, { user: "ada", secretHash: HASH, data: { a: "1" } });
    await store.close();
    const loaded = await found(other, made.sid);
    assert.deepEqual(loaded, { ...made, remainingMs: loaded.remainingMs });
    assert.deepEqual(await listed(other, "ada"), [made.sid]);
  },
};
