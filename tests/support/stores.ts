/** Redis stores for tests, each under a prefix of its own, and sessions to put into them. */
import {
  type Life,
  type NewSession,
  parseSessionId,
  type SessionId,
  type SessionStore,
} from "latchkey";
import { redisStore } from "latchkey/redis";
import { afterAll, beforeAll, expect } from "vitest";
import { startCluster, type TestCluster } from "./redis-cluster.ts";
import { type Keyspace, keyspace } from "./redis-keyspace.ts";
import { startRedis, type TestRedis } from "./redis-server.ts";
import { connectResp, type Resp } from "./resp.ts";

export const HOUR = 3_600_000;
export const FIXED: Life = { idleTimeoutMs: undefined, absoluteTimeoutMs: HOUR };
/** As long as the hash of a secret; nobody's. */
export const HASH: string = "h".repeat(43);
/** What is tested is what is answered, on however busy a machine; how fast: tests/faults. */
export const PATIENT = "30s";

export interface Servers {
  readonly redis: TestRedis;
  readonly cluster: TestCluster;
  readonly resp: Resp;
  /** One connection per primary of the cluster. */
  readonly clusterResps: readonly Resp[];
}

/** One Redis and one Cluster for all tests of a file; to be asked for within them. */
export function useServers(): () => Servers {
  let servers: Servers | undefined;
  beforeAll(async () => {
    const [redis, cluster] = await Promise.all([startRedis(), startCluster()]);
    const resp = await connectResp(redis.port);
    const clusterResps = await Promise.all(cluster.nodes.map(({ port }) => connectResp(port)));
    servers = { redis, cluster, resp, clusterResps };
  });
  afterAll(async () => {
    for (const node of servers ? [servers.resp, ...servers.clusterResps] : []) node.close();
    await Promise.all([servers?.redis.stop(), servers?.cluster.stop()]);
  });
  return () => {
    if (servers === undefined) throw new Error("servers run only during tests");
    return servers;
  };
}

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
  secretHash?: string,
): Promise<SessionId> {
  const sid = store.mintId(user);
  const life = { ...FIXED, absoluteTimeoutMs };
  const created = await store.create(newSession(sid, { user, life, secretHash }));
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
