/** The sessions of one user: list, cap, revoke, revokeUser, generation. */
import assert from "node:assert/strict";
import type { Cap, SessionStore } from "../../core/store.ts";
import type { SessionId } from "../../core/token.ts";
import {
  atOnce,
  begin,
  type Check,
  change,
  found,
  HASH,
  HOUR,
  listed,
  missing,
  newSession,
  SHORT,
  SLIDING,
} from "./steps.ts";

export const REVOKE: Record<string, Check> = {
  "a revoked session is dead on every server": async ({ store, other }) => {
    const made = await begin(store, { user: "ada", secretHash: HASH });
    assert.equal(await other.revoke(made.sid), "revoked");
    await missing(store, made.sid);
    await missing(other, made.sid);
    assert.deepEqual(await listed(store, "ada"), []);
  },
  "revoking twice, or nothing, is fine": async ({ store }) => {
    const made = await begin(store, { user: "ada" });
    assert.equal(await store.revoke(made.sid), "revoked");
    assert.equal(await store.revoke(made.sid), "absent");
    assert.equal(await store.revoke(made.sid, "ada"), "absent");
    assert.equal(await store.revoke(store.mintId("ada")), "absent");
  },
  "an anonymous session can be revoked": async ({ store }) => {
    const made = await begin(store, { secretHash: HASH });
    assert.equal(await store.revoke(made.sid), "revoked");
    await missing(store, made.sid);
  },
  "of 20 who revoke at once, one did it": async (harness) => {
    const made = await begin(harness.store, { user: "ada" });
    const outcomes = await atOnce(harness, 20, (store) => store.revoke(made.sid));
    assert.equal(outcomes.filter((outcome) => outcome === "revoked").length, 1);
  },
  "only the owner's session is revoked, and others are left as they were": async ({ store }) => {
    const made = await begin(store, { user: "ada" });
    const bystander = await begin(store, { user: "ada" });
    assert.equal(await store.revoke(made.sid, "bob"), "absent");
    assert.equal((await found(store, made.sid)).expiresAt, made.expiresAt);
    assert.equal(await store.revoke(made.sid, "ada"), "revoked");
    assert.deepEqual(await listed(store, "ada"), [bystander.sid]);
  },
};

export const REVOKE_USER: Record<string, Check> = {
  "all sessions of the user are dead, and nobody else's": async ({ store, other }) => {
    for (const secretHash of [HASH, undefined]) {
      const mine = await Promise.all(
        [1, 2, 3].map(() => begin(store, { user: "ada", secretHash })),
      );
      const theirs = await begin(store, { user: "bob", secretHash });
      assert.equal(await other.revokeUser("ada"), 3);
      for (const { sid } of mine) await missing(store, sid);
      assert.deepEqual(await listed(store, "ada"), []);
      await found(store, theirs.sid);
      await store.revoke(theirs.sid);
    }
  },
  "the exception lives on, and can be revoked later": async ({ store }) => {
    for (const secretHash of [HASH, undefined]) {
      const kept = await begin(store, { user: "ada", secretHash, data: { a: "1" } });
      const ended = await begin(store, { user: "ada", secretHash });
      assert.equal(await store.revokeUser("ada", kept.sid), 1);
      await missing(store, ended.sid);
      const loaded = await found(store, kept.sid);
      assert.deepEqual([loaded.expiresAt, [...loaded.data]], [kept.expiresAt, [["a", "1"]]]);
      assert.deepEqual(await listed(store, "ada"), [kept.sid]);
      assert.equal(await store.revokeUser("ada"), 1);
      await missing(store, kept.sid);
    }
  },
  "what it has ended is not ended once more": async ({ store, other }) => {
    const sids = await Promise.all(
      Array.from({ length: 50 }, async () => (await begin(store, { user: "ada" })).sid),
    );
    const [count, ...outcomes] = await Promise.all([
      store.revokeUser("ada"),
      ...sids.map((sid) => other.revoke(sid, "ada")),
    ]);
    const revoked = outcomes.filter((outcome) => outcome === "revoked").length;
    assert.equal(count + revoked, 50);
  },
  "somebody else's session is no exception": async ({ store }) => {
    const mine = await begin(store, { user: "ada" });
    const theirs = await begin(store, { user: "bob" });
    assert.equal(await store.revokeUser("ada", theirs.sid), 1);
    await missing(store, mine.sid);
    await found(store, theirs.sid);
  },
  "a user without sessions, and the same user twice": async ({ store }) => {
    assert.equal(await store.revokeUser("nobody"), 0);
    await begin(store, { user: "ada" });
    assert.equal(await store.revokeUser("ada"), 1);
    assert.equal(await store.revokeUser("ada"), 0);
  },
  "a login after it lives, and dies with the next": async ({ store, elapse }) => {
    for (const secretHash of [HASH, undefined]) {
      await store.revokeUser("ada");
      const made = await begin(store, { user: "ada", secretHash });
      await found(store, made.sid);
      await elapse(HOUR / 2);
      await found(store, made.sid);
      await store.revokeUser("ada");
      await missing(store, made.sid);
    }
  },
  // A revoke-all that walks the index misses the login that was let in before and stored after.
  "a login whose credential was checked before it is refused": async ({ store }) => {
    const generation = await store.generation("ada");
    await store.revokeUser("ada");
    const late = newSession(store, { user: "ada", generation });
    assert.deepEqual(await store.create(late), { outcome: "stale" });
    await missing(store, late.sid);
    assert.deepEqual(await listed(store, "ada"), []);
    const again = await store.generation("ada");
    assert.ok(again > generation);
    await begin(store, { user: "ada", generation: again });
  },
  // The time alone is the same twice in one millisecond.
  "each one makes the generation grow, however many run at once": async (harness) => {
    await atOnce(harness, 10, async (at) => {
      for (let i = 0; i < 5; i++) {
        const before = await at.generation("ada");
        await at.revokeUser("ada");
        assert.ok((await at.generation("ada")) > before);
      }
    });
  },
  "nothing is written to what it ended": async ({ store }) => {
    const made = await begin(store, { user: "ada", life: SLIDING, secretHash: HASH });
    await store.revokeUser("ada");
    assert.deepEqual(await store.update(made.sid, change({ a: "1" })), {
      outcome: "gone",
    });
    assert.deepEqual(await store.touch(made, SLIDING, 0), { outcome: "gone" });
    await missing(store, made.sid);
  },
  "among 200 logins, none that began before it survives": async (harness) => {
    const { store } = harness;
    const logIn = async (at: SessionStore, generation: number): Promise<SessionId> => {
      const session = newSession(at, { user: "ada", secretHash: HASH, generation });
      await at.create(session);
      return session.sid;
    };
    const known = await atOnce(harness, 100, (at) => at.generation("ada"));
    const [before] = await Promise.all([
      atOnce(harness, 100, (at, i) => logIn(at, known[i] ?? 0)),
      harness.other.revokeUser("ada"),
      atOnce(harness, 100, async (at) => logIn(at, await at.generation("ada"))),
    ]);
    for (const sid of before) await missing(store, sid);
    assert.ok((await store.generation("ada")) > 0);
  },
};

export const CAP: Record<string, Check> = {
  "evict-oldest ends those that end first, and says which": async ({ store }) => {
    const cap: Cap = { max: 2, policy: "evict-oldest" };
    const long = { idleTimeoutMs: undefined, absoluteTimeoutMs: 2 * HOUR };
    const a = await begin(store, { user: "ada", cap, life: long });
    const b = await begin(store, { user: "ada", cap });
    const made = await store.create(newSession(store, { user: "ada", cap, life: long }));
    assert.deepEqual(made.outcome === "created" && made.evicted, [b.sid]);
    await missing(store, b.sid);
    await found(store, a.sid);
    assert.equal((await listed(store, "ada")).length, 2);
  },
  "reject refuses and changes nothing; an ended one makes room": async ({ store, elapse }) => {
    const cap: Cap = { max: 2, policy: "reject" };
    const a = await begin(store, { user: "ada", cap, life: SHORT });
    const b = await begin(store, { user: "ada", cap });
    const refused = newSession(store, { user: "ada", cap });
    assert.equal((await store.create(refused)).outcome, "limit");
    await missing(store, refused.sid);
    for (const { sid } of [a, b]) await found(store, sid);
    await elapse(HOUR / 2);
    await begin(store, { user: "ada", cap });
    await store.revoke(b.sid);
    await begin(store, { user: "ada", cap });
    assert.equal((await store.create(newSession(store, { user: "ada", cap }))).outcome, "limit");
  },
  "a cap is one user's, and nobody's for the anonymous": async ({ store }) => {
    const cap: Cap = { max: 1, policy: "reject" };
    for (const user of ["ada", "bob"]) await begin(store, { user, cap });
    for (let i = 0; i < 3; i++) await begin(store, { cap });
  },
  // Counting first and creating then lets in as many as ask at once.
  "200 logins at once leave exactly 5, for both policies": async (harness) => {
    for (const policy of ["reject", "evict-oldest"] as const) {
      const user = policy;
      const cap: Cap = { max: 5, policy };
      const sids = await atOnce(harness, 200, async (store) => {
        const session = newSession(store, { user, cap, secretHash: HASH });
        await store.create(session);
        return session.sid;
      });
      const loaded = await Promise.all(sids.map((sid) => harness.store.load(sid)));
      assert.equal(loaded.filter(({ outcome }) => outcome === "found").length, 5);
      assert.equal((await listed(harness.store, user)).length, 5);
    }
  },
};

export const LIST: Record<string, Check> = {
  "a user without sessions has an empty list": async ({ store }) => {
    assert.deepEqual(await store.list("nobody"), { records: [], expired: [] });
  },
  "each live session of the user once, the first to end first": async ({ store, other }) => {
    const sids: SessionId[] = [];
    for (const hours of [3, 1, 2]) {
      const life = { idleTimeoutMs: undefined, absoluteTimeoutMs: hours * HOUR };
      sids[hours - 1] = (await begin(store, { user: "ada", secretHash: HASH, life })).sid;
    }
    await begin(store, { user: "bob" });
    await begin(store, {});
    const { records } = await other.list("ada");
    assert.deepEqual(
      records.map(({ sid }) => sid),
      sids,
    );
    for (const record of records) {
      const { remainingMs } = record;
      assert.deepEqual(record, { ...(await found(store, record.sid)), remainingMs });
    }
  },
  "no dead session, however it died": async ({ store, elapse }) => {
    const lasting = (hours: number) => ({
      idleTimeoutMs: undefined,
      absoluteTimeoutMs: hours * HOUR,
    });
    const short = await begin(store, { user: "ada", life: lasting(1) });
    const revoked = await begin(store, { user: "ada", life: lasting(2) });
    const live = await begin(store, { user: "ada", life: lasting(3) });
    await elapse(HOUR);
    await store.revoke(revoked.sid);
    await missing(store, short.sid);
    assert.deepEqual(await listed(store, "ada"), [live.sid]);
  },
  "a session that ran out is told to one caller only": async (harness) => {
    const { store, elapse } = harness;
    const ended = await begin(store, { user: "ada", life: SHORT });
    // Some stores forget a user with the last session.
    await begin(store, { user: "ada" });
    await elapse(HOUR / 2);
    const listings = await atOnce(harness, 20, (at) => at.list("ada"));
    assert.deepEqual(
      listings.flatMap(({ expired }) => expired),
      [ended.sid],
    );
    const made = await store.create(newSession(store, { user: "ada" }));
    assert.deepEqual(made.outcome === "created" && made.expired, []);
  },
  "the records of a list are without their data": async ({ store }) => {
    const made = await begin(store, { user: "ada", secretHash: HASH, data: { a: "1" } });
    const [record] = (await store.list("ada")).records;
    assert.deepEqual([record?.sid, record?.data.size], [made.sid, 0]);
  },
  // An index that is read, changed and written back loses most of these.
  "100 parallel logins are 100 sessions": async (harness) => {
    const made = await atOnce(harness, 100, (store) => begin(store, { user: "ada" }));
    const sids = made.map(({ sid }) => sid);
    assert.deepEqual([...(await listed(harness.store, "ada"))].sort(), sids.sort());
  },
  "a list of 450 is complete": async ({ store }) => {
    await Promise.all(Array.from({ length: 450 }, () => begin(store, { user: "ada" })));
    assert.equal(new Set(await listed(store, "ada")).size, 450);
  },
};
