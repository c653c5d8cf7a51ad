/** The near cache by itself: a memory store behind it, and a feed that says what the test says. */
import { describe, expect, test } from "vitest";
import { newSession } from "../../../../tests/support/stores.ts";
import type { InvalidationFeed } from "../core/feed.ts";
import { recordWith, type SessionRecord } from "../core/record.ts";
import type { SessionStore } from "../core/store.ts";
import type { SessionId } from "../core/token.ts";
import { memoryStore } from "../memory/memory-store.ts";
import { nearCache } from "./near-cache.ts";

const HOUR = 3_600_000;
const LIFE = { idleTimeoutMs: undefined, absoluteTimeoutMs: HOUR };

describe("a known token", () => {
  test("is answered from memory, with its time counting on", async () => {
    const { cache, known, advance } = await open();
    const record = await known("ada");
    const { remainingMs } = record;
    advance(1_000);
    const recalled = cache.recall(record.sid);
    expect(recalled && recordWith(recalled)).toEqual({
      ...record,
      secretHash: undefined,
      remainingMs: remainingMs - 1_000,
    });
    expect(cache.stats()).toMatchObject({ hits: 1, misses: 1, entries: 1 });
  });

  test("is the whole of it: no other token of the session is", async () => {
    const { cache, known } = await open();
    const { sid } = await known("ada", { secret: "s".repeat(32) });
    expect(cache.recall(`${sid}.${"s".repeat(32)}`)).toBeDefined();
    expect(cache.recall(`${sid}.${"t".repeat(32)}`)).toBeUndefined();
    expect(cache.recall(sid)).toBeUndefined();
  });

  test("is unknown from its deadline on, whatever the feed says", async () => {
    const { cache, known, advance } = await open();
    const { sid } = await known("ada");
    advance(HOUR - 1);
    expect(cache.recall(sid)).toBeDefined();
    advance(1);
    expect(cache.recall(sid)).toBeUndefined();
  });

  // A cache that counts from when the answer came lets a session live as long as the answer took.
  test("counts its time from when the read was sent", async () => {
    const { cache, known, advance, gate } = await open();
    const made = await known("ada");
    const reading = gate();
    const loading = cache.load(made.sid);
    await reading.reached;
    advance(HOUR - 1);
    reading.open();
    const loaded = await loading;
    if (loaded.outcome === "found") cache.remember(made.sid, loaded.record);
    expect(cache.recall(made.sid)).toBeDefined();
    advance(1);
    expect(cache.recall(made.sid)).toBeUndefined();
  });
});

describe("what changes is forgotten", () => {
  test("when the feed says so, for the session or its part", async () => {
    const { cache, known, feed } = await open();
    const [a, b] = [await known("ada"), await known("bob")];
    feed.change(a.sid);
    expect(cache.recall(a.sid)).toBeUndefined();
    expect(cache.recall(b.sid)).toBeDefined();
    feed.epoch++;
    expect(cache.recall(b.sid)).toBeUndefined();
  });

  test("while the feed is not live nothing is answered, and afterwards what is still true", async () => {
    const { cache, known, feed } = await open();
    const { sid } = await known("ada");
    feed.live = false;
    expect(cache.recall(sid)).toBeUndefined();
    feed.live = true;
    expect(cache.recall(sid)).toBeDefined();
  });

  test("by a write of our own, before the feed has told", async () => {
    const { cache, known } = await open();
    const change = { set: new Map([["a", "1"]]), unset: new Set<string>(), ifVersion: undefined };
    for (const write of [
      (record: SessionRecord) => cache.revoke(record.sid),
      (record: SessionRecord) => cache.update(record.sid, change),
      (record: SessionRecord) => cache.touch(record, LIFE, 0),
      (record: SessionRecord) => cache.revokeUser(record.user ?? ""),
    ]) {
      const record = await known("ada");
      expect(cache.recall(record.sid)).toBeDefined();
      await write(record);
      expect(cache.recall(record.sid)).toBeUndefined();
    }
  });

  // A cache without notes keeps what was read before the change, for ever.
  test.each(["the session", "its part"])(
    "while it is being read: %s changed, so it is not kept",
    async (what) => {
      const { cache, store, known, feed, gate } = await open();
      const { sid } = await known("ada");
      feed.change(sid);
      const reading = gate();
      const loading = cache.load(sid);
      await reading.reached;
      await store.revoke(sid);
      if (what === "the session") feed.change(sid);
      else feed.epoch++;
      reading.open();
      const loaded = await loading;
      expect(loaded.outcome).toBe("found");
      if (loaded.outcome === "found") cache.remember(sid, loaded.record);
      expect(cache.recall(sid)).toBeUndefined();
    },
  );

  test("a record that the last load did not give is not kept", async () => {
    const { cache, known, feed } = await open();
    const record = await known("ada");
    feed.change(record.sid);
    cache.remember(record.sid, record);
    expect(cache.recall(record.sid)).toBeUndefined();
  });
});

test("it is bounded, and whoever is used stays", async () => {
  const { cache, known } = await open(100);
  const { sid } = await known("used");
  for (let i = 0; i < 500; i++) {
    expect(cache.recall(sid)).toBeDefined();
    await known(`user${i}`);
  }
  expect(cache.stats().entries).toBe(100);
});

test.each<[string, object]>([
  ["maxEntries", { maxEntries: 0 }],
  ["maxEntries", { maxEntries: 1.5 }],
  ["entries", { entries: 5 }],
  ["feed", { feed: undefined }],
])("%s is named when it is bad: %o", (field, options) => {
  expect(() => nearCache(memoryStore(), options)).toThrow(expect.objectContaining({ field }));
});

async function open(maxEntries = 1_000) {
  let now = 0;
  let held: { reached(): void; readonly opened: Promise<void> } | undefined;
  const store = memoryStore({ clock: { now: () => now } });
  const feed = new ToldFeed();
  const gated: SessionStore = Object.assign(Object.create(store), {
    // The answer is that of now, and it comes when the gate opens.
    load: async (sid: SessionId) => {
      const [loaded, gate] = [await store.load(sid), held];
      held = undefined;
      gate?.reached();
      await gate?.opened;
      return loaded;
    },
  });
  const cache = nearCache(bound(gated, store), { feed, maxEntries, now: () => now });
  return {
    ...{ cache, store, feed },
    advance: (ms: number) => {
      now += ms;
    },
    /** The next read of the cache waits at this gate. */
    gate() {
      let [open, reached] = [() => {}, () => {}];
      const opened = new Promise<void>((resolve) => {
        open = resolve;
      });
      const isReached = new Promise<void>((resolve) => {
        reached = resolve;
      });
      held = { reached, opened };
      return { open, reached: isReached };
    },
    async known(user: string, { secret }: { readonly secret?: string } = {}) {
      const sid = store.mintId(user);
      await store.create(newSession(sid, { user, life: LIFE }));
      const loaded = await cache.load(sid);
      if (loaded.outcome !== "found") throw new Error("it was just created");
      cache.remember(secret === undefined ? sid : `${sid}.${secret}`, loaded.record);
      return loaded.record;
    },
  };
}

/** Methods of a store that is a class work on the store itself. */
function bound(gated: SessionStore, store: SessionStore): SessionStore {
  return new Proxy(store, {
    get(_, name) {
      if (name === "load") return gated.load;
      const method: unknown = Reflect.get(store, name);
      return typeof method === "function" ? method.bind(store) : method;
    },
  });
}

class ToldFeed implements InvalidationFeed {
  epoch = 0;
  live = true;
  #onChange: (sid: SessionId) => void = () => {};

  change(sid: SessionId): void {
    this.#onChange(sid);
  }

  listen(onChange: (sid: SessionId) => void): void {
    this.#onChange = onChange;
  }

  partOf(): number {
    return 0;
  }

  epochOf(): number {
    return this.epoch;
  }

  isLive(): boolean {
    return this.live;
  }

  stats() {
    return {
      live: 1,
      sources: 1,
      voided: {},
      invalidations: 0,
      heartbeatMs: undefined,
      problem: undefined,
    };
  }

  close(): void {}
}
