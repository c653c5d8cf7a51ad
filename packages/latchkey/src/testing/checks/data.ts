/** The data of a session: update. */
import assert from "node:assert/strict";
import { DATA_MAX_BYTES, DATA_MAX_FIELDS } from "../../core/store.ts";
import { atOnce, begin, type Check, change, found, HASH, MINUTE, missing } from "./steps.ts";

export const UPDATE: Record<string, Check> = {
  "fields are set, replaced and unset; others stay": async ({ store, other }) => {
    for (const secretHash of [HASH, undefined]) {
      const made = await begin(store, { user: "ada", secretHash, data: { a: "1", b: "2" } });
      const first = await store.update(made.sid, change({ b: "3", c: "[]", a: null }));
      assert.deepEqual(first, { outcome: "updated", version: 1 });
      const loaded = await found(other, made.sid);
      assert.deepEqual([...loaded.data].sort(), [
        ["b", "3"],
        ["c", "[]"],
      ]);
      assert.deepEqual(loaded, {
        ...made,
        version: 1,
        data: loaded.data,
        remainingMs: loaded.remainingMs,
      });
    }
  },
  "a session that had no data gets some, and no more time": async ({ store, elapse }) => {
    const made = await begin(store, { user: "ada" });
    await elapse(30 * MINUTE);
    await store.update(made.sid, change({ a: "1" }));
    assert.equal((await found(store, made.sid)).data.get("a"), "1");
    await elapse(30 * MINUTE);
    await missing(store, made.sid);
  },
  "what changes nothing is not written": async ({ store }) => {
    const made = await begin(store, { user: "ada", data: { a: "1" } });
    for (const edits of [{}, { a: "1" }, { b: null }, { a: "1", b: null }]) {
      const updated = await store.update(made.sid, change(edits));
      assert.deepEqual(updated, { outcome: "unchanged", version: 0 });
    }
  },
  // Saving the whole session (GET, merge, SET) loses all but one or two of these.
  "50 that set 50 different fields at once all win": async (harness) => {
    const made = await begin(harness.store, { user: "ada", secretHash: HASH });
    await atOnce(harness, 50, (store, i) =>
      store.update(made.sid, change({ [`field${i}`]: String(i) })),
    );
    const { data, version } = await found(harness.store, made.sid);
    assert.equal(data.size, 50);
    assert.equal(version, 50);
  },
  "by version, one of 50 at once wins and the others are told": async (harness) => {
    const made = await begin(harness.store, { user: "ada", secretHash: HASH, data: { n: "0" } });
    const outcomes = await atOnce(harness, 50, (store, i) =>
      store.update(made.sid, change({ n: String(i + 1) }, 0)),
    );
    assert.equal(outcomes.filter(({ outcome }) => outcome === "updated").length, 1);
    assert.equal(outcomes.filter(({ outcome }) => outcome === "conflict").length, 49);
  },
  "50 parallel increments by version end at 50": async (harness) => {
    const made = await begin(harness.store, { user: "ada", secretHash: HASH, data: { n: "0" } });
    await atOnce(harness, 50, async (store) => {
      for (;;) {
        const { data, version } = await found(store, made.sid);
        const next = String(Number(data.get("n")) + 1);
        const updated = await store.update(made.sid, change({ n: next }, version));
        if (updated.outcome === "updated") return;
      }
    });
    assert.equal((await found(harness.store, made.sid)).data.get("n"), "50");
  },
  // HSET without a guard leaves a record behind that lives for ever, and a half session with it.
  "a dead session is not written to": async ({ store, other }) => {
    for (const secretHash of [HASH, undefined]) {
      const made = await begin(store, { user: "ada", secretHash, data: { a: "1" } });
      await other.revoke(made.sid);
      assert.deepEqual(await store.update(made.sid, change({ a: "2" })), {
        outcome: "gone",
      });
      await missing(store, made.sid);
    }
  },
  "an unknown session is not written to": async ({ store }) => {
    const sid = store.mintId("ada");
    assert.deepEqual(await store.update(sid, change({ a: "2" })), { outcome: "gone" });
    await missing(store, sid);
  },
  "more fields or bytes than the limits are refused, and nothing is changed": async ({ store }) => {
    const made = await begin(store, { user: "ada", data: { a: "1" } });
    const many = Object.fromEntries(
      Array.from({ length: DATA_MAX_FIELDS }, (_, i) => [`${i}`, "1"]),
    );
    const long = { b: `"${"é".repeat(DATA_MAX_BYTES / 2)}"` };
    for (const edits of [many, long]) {
      const updated = await store.update(made.sid, change(edits));
      assert.deepEqual(updated, { outcome: "too-large" });
      const loaded = await found(store, made.sid);
      assert.deepEqual([[...loaded.data], loaded.version], [[["a", "1"]], 0]);
    }
    const room = DATA_MAX_BYTES - 1 - 1 - 1 - 2;
    const fits = await store.update(made.sid, change({ b: `"${"x".repeat(room)}"` }));
    assert.deepEqual(fits, { outcome: "updated", version: 1 });
  },
};
