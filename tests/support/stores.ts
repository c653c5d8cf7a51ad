/** Redis stores for tests, each under a prefix of its own, and sessions to put into them. */
import {
  type Life,
  type NewSession,
  parseSessionId,
  type SessionId,
  type SessionStore,
} from "latchkey";
import { redisStore } from "latchkey/redis";
import { expect } from "vitest";
import { type Keyspace, keyspace } from "./redis-keyspace.ts";
import type { Resp } from "./resp.ts";

export const HOUR = 3_600_000;
export const FIXED: Life = { idleTimeoutMs: undefined, absoluteTimeoutMs: HOUR };
/** What is tested is what is answered, on however busy a machine; how fast: tests/faults. */
export const PATIENT = "30s";

let prefixes = 0;

export function freshPrefix(): string {
  return `t${prefixes++}:`;
}

/** @param nodes one connection per primary */
export async function openStore(
  url: string,
  nodes: readonly Resp[],
): Promise<{ store: SessionStore; space: Keyspace; prefix: string }> {
  const prefix = freshPrefix();
  const store = await redisStore({ url, prefix, callTimeout: PATIENT });
  return { store, space: keyspace(nodes, prefix), prefix };
}

/** A session without anything beside its user, for an hour. */
export function newSession(sid: SessionId, wishes: Partial<NewSession> = {}): NewSession {
  return {
    ...{ sid, user: undefined, secretHash: undefined, device: undefined, data: new Map() },
    ...{ cap: undefined, generation: undefined, life: FIXED },
    ...wishes,
  };
}

export async function login(
  store: SessionStore,
  user: string,
  absoluteTimeoutMs = HOUR,
): Promise<SessionId> {
  const sid = store.mintId(user);
  const life = { ...FIXED, absoluteTimeoutMs };
  const created = await store.create(newSession(sid, { user, life }));
  expect(created.outcome).toBe("created");
  return sid;
}

export function parse(text: string): SessionId {
  const sid = parseSessionId(text);
  if (sid === undefined) throw new Error(`no session id: ${text}`);
  return sid;
}

/** Sends a command to the node that has the key: in a Cluster the others answer MOVED. */
export async function onAny(nodes: readonly Resp[], ...args: string[]): Promise<void> {
  const outcomes = await Promise.allSettled(nodes.map((node) => node.command(...args)));
  expect(outcomes.some(({ status }) => status === "fulfilled")).toBe(true);
}
