/** A Redis of any topology as an operator sees it: one URL, and one redis-cli that reaches every key. */
import type { Topology } from "latchkey/redis";
import { startCluster } from "./redis-cluster.ts";
import { startSentinel } from "./redis-sentinel.ts";
import { startRedis } from "./redis-server.ts";
import { connectResp, type Reply, type Resp, RespError } from "./resp.ts";

export interface WholeRedis {
  readonly url: string;
  /** Goes to the node that has the key; KEYS asks all of them. */
  command(...args: readonly string[]): Promise<Reply>;
  stop(): Promise<void>;
}

export async function startWholeRedis(topology: Topology): Promise<WholeRedis> {
  const { url, ports, stop } = await start(topology);
  const nodes = await Promise.all(ports.map(connectResp));
  return {
    url,
    command: (...args) => (args[0] === "KEYS" ? onAll(nodes, args) : onOwner(nodes, args)),
    async stop() {
      for (const node of nodes) node.close();
      await stop();
    },
  };
}

interface Started {
  readonly url: string;
  readonly ports: readonly number[];
  stop(): Promise<void>;
}

async function start(topology: Topology): Promise<Started> {
  if (topology === "single") {
    const redis = await startRedis();
    return { url: redis.url, ports: [redis.port], stop: redis.stop };
  }
  if (topology === "sentinel") {
    const sentinel = await startSentinel();
    return { url: sentinel.url, ports: [await sentinel.primaryPort()], stop: sentinel.stop };
  }
  const cluster = await startCluster();
  return { url: cluster.url, ports: cluster.nodes.map(({ port }) => port), stop: cluster.stop };
}

async function onAll(nodes: readonly Resp[], args: readonly string[]): Promise<Reply> {
  const replies = await Promise.all(nodes.map((node) => node.command(...args)));
  return replies.flatMap((reply) => (Array.isArray(reply) ? reply : []));
}

async function onOwner(nodes: readonly Resp[], args: readonly string[]): Promise<Reply> {
  for (const node of nodes) {
    try {
      return await node.command(...args);
    } catch (error) {
      if (!(error instanceof RespError && error.message.startsWith("MOVED"))) throw error;
    }
  }
  throw new Error("no node has the key");
}
