/** A store under test as two servers have it, with a clock that the test moves. */
import type { SessionStore } from "latchkey";
import { memoryStore } from "latchkey/memory";
import { type NodeRedisClient, redisStore } from "latchkey/redis";
import { ManualClock } from "latchkey/testing";
import { keyspace } from "../support/redis-keyspace.ts";
import type { Resp } from "../support/resp.ts";
import { freshPrefix, PATIENT } from "../support/stores.ts";

export interface System {
  readonly servers: readonly [SessionStore, SessionStore];
  /** How exactly a test can choose an instant. */
  readonly grainMs: number;
  /** Epoch ms of a clock that `elapse` moves forward; the store's clock runs between two readings. */
  now(): number;
  /** What to add to an instant that the store tells, to get one of `now`. */
  shiftMs(): number;
  /** Makes at least `ms` pass, but never ends just before one of these instants. */
  elapse(ms: number, deadlines: readonly number[]): Promise<void>;
  /** Keys that would stay for ever. */
  endlessKeys(): Promise<readonly string[]>;
}

export function onMemory(): System {
  const clock = new ManualClock();
  const store = memoryStore({ clock });
  return {
    servers: [store, store],
    grainMs: 1,
    now: () => clock.now(),
    shiftMs: () => 0,
    elapse: async (ms) => clock.advance(ms),
    endlessKeys: async () => [],
  };
}

const MINUTE = 60_000;
/** Real time passes too, also on a busy machine: so far from a deadline it cannot decide anything. */
const GUARD_MS = MINUTE / 2;
/** Redis' clock and ours are one, but are not read at one moment. */
const SKEW_MS = 20;

/** @param nodes one connection per primary */
export async function onRedis(
  clients: readonly [NodeRedisClient, NodeRedisClient],
  nodes: readonly Resp[],
): Promise<System> {
  const [first, second] = clients;
  const prefix = freshPrefix();
  const servers = [
    await redisStore({ client: first, prefix, callTimeout: PATIENT }),
    await redisStore({ client: second, prefix, callTimeout: PATIENT }),
  ] as const;
  return onKeys(servers, nodes, prefix);
}

/** Stores whose keys, all with this prefix, are moved in time behind their back. */
export function onKeys(
  servers: readonly [SessionStore, SessionStore],
  nodes: readonly Resp[],
  prefix: string,
): System {
  const space = keyspace(nodes, prefix);
  let shiftMs = 0;
  const now = (): number => Date.now() + shiftMs;
  return {
    servers,
    grainMs: MINUTE,
    now,
    shiftMs: () => shiftMs,
    elapse: async (ms, deadlines) => {
      const settled = clearOf(deadlines, now(), ms);
      await space.elapse(settled);
      shiftMs += settled;
    },
    endlessKeys: async () => {
      const all = await Promise.all(nodes.map((node) => endlessOn(node, prefix)));
      return all.flat();
    },
  };
}

function clearOf(deadlines: readonly number[], now: number, ms: number): number {
  let settled = ms;
  for (;;) {
    const landing = now + settled;
    const near = deadlines.find((at) => at - GUARD_MS < landing && landing < at + SKEW_MS);
    if (near === undefined) return settled;
    settled = near + SKEW_MS - now;
  }
}

async function endlessOn(node: Resp, prefix: string): Promise<string[]> {
  const keys = await keyspace([node], prefix).keys();
  const ends = await Promise.all(keys.map((key) => node.command("PTTL", key)));
  return keys.filter((_, i) => ends[i] === -1);
}
