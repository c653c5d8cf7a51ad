/**
 * {check ∥ revoke ∥ barrier ∥ FLUSHALL ∥ the feed cut ∥ reconnect}: whatever the order on the wires, what
 * was ended is forgotten, and stays so.
 *
 * The naive versions keep a session for ever: a cache that stores whatever a read brings, without the
 * note that a push crosses out, and one that does not compare epochs. Both are rejected below.
 */
import fc from "fast-check";
import type { InvalidationFeed, SessionId, SessionRecord } from "latchkey";
import { memoryStore } from "latchkey/memory";
import { nearCache } from "latchkey/near-cache";
import { describe, expect, test } from "vitest";
import { openPair } from "./support/near-pair.ts";
import type { Resp } from "./support/resp.ts";
import { Dice, rounds } from "./support/rounds.ts";
import { newSession, useServers } from "./support/stores.ts";
import { until } from "./support/until.ts";

const LONG_TEST_MS = 30 * 60_000;
/** Sessions that were ended stay so: looked at again so many rounds later. */
const REMEMBERED = 100;

const servers = useServers();

describe.each(["one Redis", "Cluster"] as const)("on %s", (where) => {
  test("what is ended is forgotten, and stays so", { timeout: LONG_TEST_MS }, async () => {
    const dice = new Dice();
    const { redis, resp, cluster, clusterResps } = servers();
    const nodes = where === "Cluster" ? clusterResps : [resp];
    const { here, there, close } = await openPair(where === "Cluster" ? cluster.url : redis.url);
    const ends: Record<string, (sid: SessionId, user: string) => Promise<unknown>> = {
      revoke: (sid) => there.sessions.revoke(sid),
      barrier: (_sid, user) => there.sessions.revokeUser(user),
      flush: () => Promise.all(nodes.map((node) => node.command("FLUSHALL"))),
    };
    const ended: string[] = [];
    const done: Record<string, number> = {};
    const all = rounds(where === "Cluster" ? 2_000 : 10_000);
    for (let round = 0; round < all; round++) {
      const user = `user${dice.below(5)}`;
      const { token, sid } = await there.logIn(user);
      // Most are known when they are ended, some are just being read.
      if (dice.next() < 0.7) await here.know(token);
      const how = dice.pick(["revoke", "revoke", "revoke", "barrier", "flush"]);
      const isCut = dice.next() < 0.02;
      const checks = Promise.all(
        Array.from({ length: 4 }, async () => {
          await dice.stagger();
          await here.sessions.check(token);
        }),
      );
      await dice.stagger();
      const cutting = isCut ? cutFeed(nodes) : undefined;
      await ends[how]?.(sid, user);
      await Promise.all([checks, cutting]);
      await until(() => here.near.recall(token) === undefined);
      expect((await here.sessions.check(token)).status, `seed ${dice.seed}`).toBe("invalid");
      ended.push(token);
      if (ended.length > REMEMBERED) ended.shift();
      for (const one of ended) expect(here.near.recall(one), `seed ${dice.seed}`).toBeUndefined();
      const what = isCut ? `${how}, cut` : how;
      done[what] = (done[what] ?? 0) + 1;
    }
    const { hits, misses, voided } = here.near.stats();
    console.log(
      `NEAR CACHE, ${where}: ${all} rounds, seed ${dice.seed}: ${JSON.stringify(done)}, none accepted ` +
        `once forgotten; ${hits} hits, ${misses} misses, voided ${JSON.stringify(voided)}`,
    );
    expect(hits).toBeGreaterThan(0);
    await close();
  });
});

/** Ends the tracking connections as a firewall or a restart would; the cache connects again. */
async function cutFeed(nodes: readonly Resp[]): Promise<void> {
  for (const node of nodes) {
    const lines = String(await node.command("CLIENT", "LIST")).split("\n");
    for (const line of lines) {
      const [, id = "", flags = ""] = /^id=(\d+) .* flags=(\w+) /.exec(line) ?? [];
      // One that went by itself is no error.
      if (flags.includes("t")) await node.command("CLIENT", "KILL", "ID", id).catch(() => {});
    }
  }
}

describe("in every order that a scheduler finds", () => {
  const ORDERS = { numRuns: rounds(5_000) };

  test("nothing that was changed is kept", async () => {
    await fc.assert(storyOf({}), ORDERS);
  });

  test("without the comparison of epochs, something is", async () => {
    await expect(fc.assert(storyOf({ isEpochBlind: true }), ORDERS)).rejects.toThrow(
      /Property failed/,
    );
  });

  test("without the note that a push crosses out, something is", async () => {
    await expect(fc.assert(storyOf({ isDeaf: true }), ORDERS)).rejects.toThrow(/Property failed/);
  });
});

interface Blindness {
  readonly isEpochBlind?: boolean;
  /** Pushes come only when nothing is being read. */
  readonly isDeaf?: boolean;
}

/** Reads, revokes and the pushes that follow them, each on a wire of its own. */
function storyOf({ isEpochBlind = false, isDeaf = false }: Blindness) {
  const steps = fc.array(fc.constantFrom("read", "revoke", "barrier"), { maxLength: 6 });
  return fc.asyncProperty(fc.scheduler(), steps, async (scheduler, story) => {
    const store = memoryStore();
    const sid = store.mintId("ada");
    await store.create(newSession(sid, { user: "ada" }));
    let [epoch, readings] = [0, 0];
    let onChange = (_sid: SessionId): void => {};
    const feed: InvalidationFeed = {
      listen: (listener) => {
        onChange = listener;
      },
      ...{ partOf: () => 0, epochOf: () => (isEpochBlind ? 0 : epoch), isLive: () => true },
      stats: () => ({
        ...{ live: 1, sources: 1, voided: {}, invalidations: 0 },
        ...{ heartbeatMs: undefined, problem: undefined },
      }),
      close: () => {},
    };
    const slow = Object.assign(Object.create(store), {
      load: async (id: SessionId) => {
        await scheduler.schedule(Promise.resolve(), "asked");
        const loaded = await store.load(id);
        await scheduler.schedule(Promise.resolve(), "answered");
        return loaded;
      },
    });
    const cache = nearCache(bound(slow, store), { feed });
    const read = async (): Promise<void> => {
      readings++;
      const loaded = await cache.load(sid);
      readings--;
      if (loaded.outcome === "found") cache.remember(sid, loaded.record);
    };
    const end = async (how: string): Promise<void> => {
      await scheduler.schedule(Promise.resolve(), how);
      await store.revoke(sid);
      await scheduler.schedule(Promise.resolve(), "pushed");
      if (how === "barrier") epoch++;
      else if (!isDeaf || readings === 0) onChange(sid);
    };
    const all = story.map((step) => (step === "read" ? read() : end(step)));
    await scheduler.waitFor(Promise.all(all));
    const isEnded = story.some((step) => step !== "read");
    const kept: SessionRecord | undefined = cache.recall(sid);
    if (isEnded && kept !== undefined) throw new Error(`kept: ${story.join(", ")}`);
  });
}

/** Methods of a store that is a class work on the store itself. */
function bound(slow: { load: unknown }, store: ReturnType<typeof memoryStore>): typeof store {
  return new Proxy(store, {
    get(target, name) {
      if (name === "load") return slow.load;
      const method: unknown = Reflect.get(target, name);
      return typeof method === "function" ? method.bind(target) : method;
    },
  });
}
