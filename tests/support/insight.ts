/** A Redis store and the names of its keys, for tests that look at what its scripts leave behind. */
import type { Change, Life, NewSession, SessionId, SessionRecord, SessionStore } from "latchkey";
import { redisStore } from "latchkey/redis";
import { createClient } from "redis";
import { expect } from "vitest";
import type { Keyspace } from "./redis-keyspace.ts";
import type { Resp } from "./resp.ts";
import { HASH, HOUR, newSession, openStore } from "./stores.ts";

export const SLIDING: Life = { idleTimeoutMs: HOUR / 2, absoluteTimeoutMs: 2 * HOUR };
/** A session with all that the default layout keeps. */
export const SPLIT = { user: "ada", secretHash: HASH, life: SLIDING };

export interface Insight {
  readonly store: SessionStore;
  readonly space: Keyspace;
  readonly prefix: string;
  key(sid: string): string;
  record(sid: string): string;
  index(user: string): string;
  swept(user: string): string;
  /** Keys of this session. */
  leftOf(sid: string): Promise<string[]>;
  /** Keys that are no barrier. */
  left(): Promise<string[]>;
  barriers(): Promise<string[]>;
  /** A revokeUser whose process dies behind its first script, before it clears anything away. */
  cutOff(user: string): Promise<void>;
}

/** @param nodes one connection per primary */
export async function openInsight(url: string, nodes: readonly Resp[]): Promise<Insight> {
  const { store, space, prefix } = await openStore(url, nodes);
  const keysThat = async (is: (key: string) => boolean): Promise<string[]> =>
    (await space.keys()).filter(is);
  return {
    ...{ store, space, prefix },
    key: (sid) => prefix + sid,
    record: (sid) => `{${prefix}${sid}}:record`,
    index: (user) => `{${prefix}user:${user}}:sessions`,
    swept: (user) => `{${prefix}user:${user}}:revoked`,
    leftOf: (sid) => keysThat((key) => key.includes(sid)),
    left: () => keysThat((key) => !key.endsWith(":barrier")),
    barriers: () => keysThat((key) => key.endsWith(":barrier")),
    async cutOff(user) {
      const client = await createClient({ url }).connect();
      // EVALSHA, its hash, the number of keys, and the first of them: what is to be swept.
      const sendCommand = (args: string[]): Promise<unknown> =>
        args[3]?.endsWith(":revoked")
          ? Promise.reject(new Error("cut off"))
          : client.sendCommand(args);
      const connect = async (): Promise<void> => {};
      const cut = { sendCommand, isReady: true, connect, destroy: () => {} };
      const dying = await redisStore({ client: cut, prefix });
      expect(await dying.revokeUser(user)).toBe(0);
      client.destroy();
    },
  };
}

/** Epoch ms by Redis' own clock. */
export async function redisNow(resp: Resp): Promise<number> {
  const [seconds, micros] = [await resp.command("TIME")].flat();
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
}

export async function begin(
  store: SessionStore,
  wishes: Partial<NewSession>,
): Promise<SessionRecord> {
  const created = await store.create(newSession(store.mintId(wishes.user), wishes));
  if (created.outcome !== "created") throw new Error(`create answered ${created.outcome}`);
  return created.record;
}

export async function found(store: SessionStore, sid: SessionId): Promise<SessionRecord> {
  const loaded = await store.load(sid);
  if (loaded.outcome !== "found") throw new Error(`load answered ${loaded.outcome}`);
  return loaded.record;
}

/** @param edits null: unset */
export function change(edits: Record<string, string | null>, ifVersion?: number): Change {
  const entries = Object.entries(edits);
  return {
    set: new Map(entries.flatMap(([name, text]) => (text === null ? [] : [[name, text]]))),
    unset: new Set(entries.flatMap(([name, text]) => (text === null ? [name] : []))),
    ifVersion,
  };
}
