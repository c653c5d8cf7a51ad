/** New tokens for a live session: rotate. */
import assert from "node:assert/strict";
import { ROTATED_MEMORY_MS, type RotateOutcome } from "../../core/store.ts";
import { hashSecret, type SessionId } from "../../core/token.ts";
import { GRACE, NEW_HASH, renewal, rotated, rotation } from "./rotating.ts";
import {
  atOnce,
  begin,
  type Check,
  change,
  found,
  HASH,
  HOUR,
  listed,
  MARGIN,
  MINUTE,
  missing,
  SLIDING,
} from "./steps.ts";

export const ROTATE: Record<string, Check> = {
  "the session goes on with all it had, and not a moment longer": async ({ store, other }) => {
    for (const user of ["ada", undefined]) {
      for (const secretHash of [HASH, undefined]) {
        const wishes = { secretHash, life: SLIDING, device: "x", data: { a: "1" } };
        const made = await begin(store, user === undefined ? wishes : { ...wishes, user });
        const wish = rotation(store, made, {});
        const outcome = await store.rotate(wish);
        assert.equal(outcome.outcome === "rotated" && outcome.expiresAt, made.expiresAt);
        assert.equal(
          outcome.outcome === "rotated" && outcome.absoluteExpiresAt,
          made.absoluteExpiresAt,
        );
        const { sid } = wish.next;
        const loaded = await found(other, sid);
        const { remainingMs, previous } = loaded;
        const hash = wish.next.secretHash;
        assert.deepEqual(loaded, { ...made, sid, secretHash: hash, remainingMs, previous });
        if (user !== undefined) assert.deepEqual(await listed(store, user), [sid]);
        await store.revoke(sid);
      }
    }
  },
  "an old secret is known during its grace, and known as late after it": async (harness) => {
    const { store, elapse } = harness;
    const made = await begin(store, { user: "ada", secretHash: HASH });
    await rotated(store, rotation(store, made, {}));
    const early = (await found(store, made.sid)).previous;
    assert.equal(early?.secretHash, HASH);
    assert.ok(early !== undefined && early.graceMs > 0 && early.graceMs <= GRACE);
    await elapse(GRACE);
    const late = (await found(store, made.sid)).previous;
    assert.ok(late !== undefined && late.graceMs <= 0);
  },
  "an old id is the session during its grace, for every verb": async ({ store, other }) => {
    const made = await begin(store, { user: "ada", life: SLIDING });
    const sid = await rotated(store, rotation(store, made, {}));
    const loaded = await found(other, made.sid);
    assert.equal(loaded.sid, sid);
    assert.ok(loaded.previous !== undefined && loaded.previous.graceMs > 0);
    const updated = await other.update(made.sid, change({ a: "1" }));
    assert.deepEqual(updated, { outcome: "updated", version: 1 });
    assert.equal((await found(store, sid)).data.get("a"), "1");
    assert.equal((await other.touch(made, SLIDING, 0)).outcome, "live");
    assert.deepEqual(await listed(store, "ada"), [sid]);
    assert.equal(await other.revoke(made.sid, "ada"), "revoked");
    await missing(store, sid);
    await missing(store, made.sid);
  },
  "after its grace an old id is none, and its return is noticed": async ({ store, elapse }) => {
    const made = await begin(store, { user: "ada", life: SLIDING });
    const sid = await rotated(store, rotation(store, made, {}));
    await elapse(GRACE);
    const late = await store.load(made.sid);
    assert.ok(late.outcome === "rotated" && late.lateMs >= 0 && late.lateMs < MARGIN);
    assert.equal(late.secretHash, undefined);
    assert.deepEqual(await store.update(made.sid, change({ a: "1" })), { outcome: "gone" });
    assert.deepEqual(await store.touch(made, SLIDING, 0), { outcome: "gone" });
    assert.deepEqual(await store.rotate(rotation(store, made, {})), { outcome: "gone" });
    assert.equal((await found(store, sid)).data.size, 0);
  },
  "a rotated id is remembered for an hour": async ({ store, elapse }) => {
    const life = { idleTimeoutMs: undefined, absoluteTimeoutMs: 3 * HOUR };
    const made = await begin(store, { user: "ada", life });
    const sid = await rotated(store, rotation(store, made, {}));
    await elapse(GRACE + ROTATED_MEMORY_MS - MARGIN);
    assert.equal((await store.load(made.sid)).outcome, "rotated");
    await elapse(MARGIN);
    await missing(store, made.sid);
    await found(store, sid);
  },
  // A logout in flight that finds its id rotated away must not leave the session alive.
  "who revokes an old id ends the session, also after the grace": async ({ store, elapse }) => {
    for (const owner of ["ada", undefined]) {
      const made = await begin(store, { user: "ada" });
      const sid = await rotated(store, rotation(store, made, {}));
      await elapse(GRACE);
      assert.equal(await store.revoke(made.sid, "bob"), "absent");
      assert.equal(await store.revoke(made.sid, owner), "revoked");
      await missing(store, sid);
      assert.deepEqual(await listed(store, "ada"), []);
    }
  },
  "a rotated session is still one that revokeUser ends, or excepts": async ({ store }) => {
    for (const secretHash of [HASH, undefined]) {
      const ended = await begin(store, { user: "ada", secretHash });
      const kept = await begin(store, { user: "ada", secretHash });
      const a = await rotated(store, rotation(store, ended, {}));
      const b = await rotated(store, rotation(store, kept, {}));
      assert.equal(await store.revokeUser("ada", kept.sid), 1);
      await missing(store, a);
      await missing(store, ended.sid);
      await found(store, b);
      assert.deepEqual(await listed(store, "ada"), [b]);
      await store.revokeUser("ada");
    }
  },
  "rotation makes no room in a cap, and takes none": async ({ store }) => {
    const cap = { max: 2, policy: "evict-oldest" } as const;
    const [a, b] = [
      await begin(store, { user: "ada", cap }),
      await begin(store, { user: "ada", cap }),
    ];
    const rotatedSid = await rotated(store, rotation(store, a, {}));
    assert.deepEqual((await listed(store, "ada")).toSorted(), [rotatedSid, b.sid].sort());
    await begin(store, { user: "ada", cap });
    assert.equal((await listed(store, "ada")).length, 2);
  },
};

export const REPEAT: Record<string, Check> = {
  "asked for again, a rotation gives the same new token": async ({ store, other }) => {
    const split = await begin(store, { user: "ada", secretHash: HASH });
    await rotated(store, rotation(store, split, {}));
    const again = rotation(store, split, {
      next: { sid: split.sid, secretHash: hashSecret("x"), seed: "another" },
    });
    assert.deepEqual(await other.rotate(again), {
      ...{ outcome: "repeated", sid: split.sid, seed: "seed" },
    });
    assert.equal((await found(store, split.sid)).secretHash, NEW_HASH);

    const literal = await begin(store, { user: "ada" });
    const sid = await rotated(store, rotation(store, literal, {}));
    const repeated = await other.rotate(rotation(store, literal, {}));
    assert.deepEqual(repeated, { outcome: "repeated", sid, seed: undefined });
    assert.equal((await listed(store, "ada")).length, 2);
  },
  // Else whoever rotates in a loop makes a chain that each old token must be followed through.
  "a token younger than its grace stays: the one before it is in use": async (harness) => {
    const { store, elapse } = harness;
    for (const secretHash of [HASH, undefined]) {
      const made = await begin(store, { user: "ada", secretHash });
      const first = rotation(store, made, {});
      await rotated(store, first);
      const holder = { ...made, ...first.next };
      const second = rotation(store, holder, {});
      const third = { ...second.next, secretHash: secretHash && hashSecret("3") };
      const soon = { ...second, next: third };
      assert.deepEqual(await store.rotate(soon), { outcome: "kept" });
      assert.equal((await found(store, made.sid)).sid, holder.sid);
      await elapse(GRACE);
      await rotated(store, soon);
      await store.revokeUser("ada");
    }
  },
  "of 20 that rotate at once, one does, and all have the same token": async (harness) => {
    for (const secretHash of [HASH, undefined]) {
      const made = await begin(harness.store, { user: "ada", secretHash });
      const sids = new Set<SessionId>();
      const outcomes = await atOnce(harness, 20, async (store) => {
        const wish = rotation(store, made, {});
        const outcome = await store.rotate(wish);
        if (outcome.outcome === "rotated") sids.add(wish.next.sid);
        if (outcome.outcome === "repeated") sids.add(outcome.sid);
        return outcome.outcome;
      });
      assert.equal(outcomes.filter((outcome) => outcome === "rotated").length, 1);
      assert.equal(outcomes.filter((outcome) => outcome === "repeated").length, 19);
      assert.equal(sids.size, 1);
      await harness.store.revokeUser("ada");
    }
  },
  "without a grace the old token is dead at once, also for what is under way": async (harness) => {
    const { store, other } = harness;
    for (const secretHash of [HASH, undefined]) {
      const made = await begin(store, { user: "ada", secretHash });
      const sid = await rotated(store, rotation(store, made, { graceMs: 0 }));
      assert.equal((await store.load(made.sid)).outcome, "rotated");
      assert.deepEqual(await other.update(made.sid, change({ a: "1" })), { outcome: "gone" });
      assert.deepEqual(await other.touch(made, SLIDING, 0), { outcome: "gone" });
      for (const graceMs of [GRACE, 0]) {
        const again = rotation(store, made, { graceMs });
        assert.deepEqual(await other.rotate(again), { outcome: "gone" });
      }
      assert.equal((await found(store, sid)).data.size, 0);
    }
  },
  // Else a token from before the privilege rose would open what it rose to.
  "without a grace everything before is dead, not the last token alone": async ({ store }) => {
    const made = await begin(store, { user: "ada" });
    const middle = await rotated(store, rotation(store, made, {}));
    const last = await rotated(store, rotation(store, { ...made, sid: middle }, { graceMs: 0 }));
    await missing(store, made.sid);
    assert.deepEqual(await store.update(made.sid, change({ a: "1" })), { outcome: "gone" });
    // Told of the id between, a browser would lose a session that lives.
    assert.deepEqual(await store.rotate(rotation(store, made, {})), { outcome: "gone" });
    await found(store, last);

    const split = await begin(store, { user: "ada", secretHash: HASH });
    await rotated(store, rotation(store, split, {}));
    const holder = { ...split, secretHash: NEW_HASH };
    const risen = await rotated(store, rotation(store, holder, { graceMs: 0 }));
    assert.equal((await store.load(split.sid)).outcome, "rotated");
    assert.equal((await found(store, risen)).previous, undefined);
  },
  "a request in the grace of its token may raise privilege": async ({ store }) => {
    for (const secretHash of [HASH, undefined]) {
      const made = await begin(store, { user: "ada", secretHash });
      const between = await rotated(store, rotation(store, made, {}));
      const third = rotation(store, made, { graceMs: 0 });
      const { next } = third;
      const hash = next.secretHash && hashSecret("3");
      const wish = { ...third, next: { ...next, secretHash: hash } };
      const sid = await rotated(store, wish);
      assert.equal((await found(store, sid)).secretHash, hash);
      if (between !== sid) assert.equal((await store.load(between)).outcome, "rotated");
      await store.revokeUser("ada");
    }
  },
  "a secret that is not the session's rotates nothing": async ({ store }) => {
    const made = await begin(store, { user: "ada", secretHash: HASH });
    const stranger = { ...made, secretHash: hashSecret("stranger") };
    for (const graceMs of [GRACE, 0]) {
      const refused = await store.rotate(rotation(store, stranger, { graceMs }));
      assert.deepEqual(refused, { outcome: "gone" });
    }
    const none = rotation(store, { ...made, secretHash: undefined }, {});
    assert.deepEqual(await store.rotate(none), { outcome: "gone" });
    assert.equal((await found(store, made.sid)).secretHash, HASH);
    await missing(store, none.next.sid);
  },
  "a taken id is refused, and both sessions are unharmed": async ({ store }) => {
    const [made, taken] = [
      await begin(store, { user: "ada" }),
      await begin(store, { user: "ada", data: { a: "1" } }),
    ];
    const next = { sid: taken.sid, secretHash: undefined, seed: undefined };
    assert.deepEqual(await store.rotate(rotation(store, made, { next })), { outcome: "exists" });
    await found(store, made.sid);
    assert.equal((await found(store, taken.sid)).data.get("a"), "1");
  },
  // Else the token that was rotated away opens whatever is put under its id.
  "an id that was rotated away is refused, its own session's and another's": async (harness) => {
    const { store, other, elapse } = harness;
    const made = await begin(store, { user: "ada" });
    const sid = await rotated(store, rotation(store, made, {}));
    const another = await begin(store, { user: "ada" });
    const next = { sid: made.sid, secretHash: undefined, seed: undefined };
    for (const passed of [0, GRACE]) {
      await elapse(passed);
      for (const holder of [{ ...made, sid }, another]) {
        const back = rotation(store, holder, { next, graceMs: 0 });
        assert.deepEqual(await other.rotate(back), { outcome: "exists" });
        await found(store, holder.sid);
      }
    }
    assert.equal((await store.load(made.sid)).outcome, "rotated");
  },
  "the old id of a dead session is gone, whoever asks": async ({ store }) => {
    const made = await begin(store, { user: "ada" });
    await rotated(store, rotation(store, made, {}));
    await store.revoke(made.sid);
    assert.deepEqual(await store.rotate(rotation(store, made, {})), { outcome: "gone" });
  },
  // SET of what was read brings the session back under the new id.
  "a dead session is not rotated back to life": async ({ store, other, elapse }) => {
    for (const secretHash of [HASH, undefined]) {
      for (const end of [
        (sid: SessionId) => other.revoke(sid),
        () => other.revokeUser("ada"),
        () => elapse(HOUR),
      ]) {
        const made = await begin(store, { user: "ada", secretHash });
        await end(made.sid);
        const wish = rotation(store, made, {});
        assert.deepEqual(await store.rotate(wish), { outcome: "gone" });
        await missing(store, made.sid);
        await missing(store, wish.next.sid);
      }
    }
  },
};

export const RENEW: Record<string, Check> = {
  "a new login gives a new id, keeps the data, and both clocks begin anew": async (harness) => {
    const { store, elapse } = harness;
    for (const secretHash of [HASH, undefined]) {
      const wishes = { user: "ada", secretHash, device: "x", data: { a: "1" } };
      const made = await begin(store, wishes);
      await elapse(30 * MINUTE);
      const wish = renewal(store, made);
      const sid = await rotated(store, wish);
      const { outcome, ...late } = { ...(await store.load(made.sid)), lateMs: 0 };
      assert.deepEqual([outcome, late], ["rotated", { secretHash, lateMs: 0 }]);
      const record = await found(store, sid);
      assert.ok(record.remainingMs > HOUR - MARGIN);
      assert.equal(record.absoluteExpiresAt, record.expiresAt);
      assert.ok((record.authTime ?? 0) >= (record.createdAt ?? 0) + 29 * MINUTE);
      assert.deepEqual([record.device, record.data.get("a")], ["x", "1"]);
      assert.deepEqual(await listed(store, "ada"), [sid]);
      await store.revoke(sid);
    }
  },
  "a new login may name another device, or begin to slide": async ({ store, elapse }) => {
    for (const secretHash of [HASH, undefined]) {
      const made = await begin(store, { user: "ada", secretHash });
      const sid = await rotated(store, renewal(store, made, { device: "y", life: SLIDING }));
      assert.equal((await found(store, sid)).device, "y");
      await elapse(20 * MINUTE);
      await store.touch({ sid, user: "ada" }, SLIDING, MINUTE);
      await elapse(20 * MINUTE);
      await found(store, sid);
    }
  },
  "a session that was kept through a revokeUser refuses a login from before it": async (
    harness,
  ) => {
    const { store } = harness;
    const made = await begin(store, { user: "ada", secretHash: HASH });
    const generation = await store.generation("ada");
    await store.revokeUser("ada", made.sid);
    const stale: RotateOutcome = await store.rotate(renewal(store, made, { generation }));
    assert.deepEqual(stale, { outcome: "stale" });
    await found(store, made.sid);
    const again = await store.generation("ada");
    await rotated(store, renewal(store, made, { generation: again }));
  },
  "of 10 logins over one session at once, one goes on with it": async (harness) => {
    const made = await begin(harness.store, { user: "ada", secretHash: HASH });
    const outcomes = await atOnce(harness, 10, (store) => store.rotate(renewal(store, made)));
    assert.equal(outcomes.filter(({ outcome }) => outcome === "rotated").length, 1);
    assert.equal(outcomes.filter(({ outcome }) => outcome === "gone").length, 9);
    assert.equal((await listed(harness.store, "ada")).length, 1);
  },
};
