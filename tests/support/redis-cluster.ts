/** A Redis Cluster of real processes, masters only, every slot served. Formed by hand, no redis-cli. */
import { LocalRedisError } from "../../apps/server/src/local-redis/local-redis-error.ts";
import { freePorts } from "./free-port.ts";
import { startRedis, type TestRedis } from "./redis-server.ts";
import { connectResp, type Resp } from "./resp.ts";
import { until } from "./until.ts";

export interface TestCluster {
  /** `redis+cluster://127.0.0.1:p1,127.0.0.1:p2,…` */
  readonly url: string;
  /** In slot order: node i serves the i-th part of the slots. */
  readonly nodes: readonly TestRedis[];
  stop(): Promise<void>;
}

const SLOTS = 16_384;
const PORT_TRIES_MAX = 10;

export async function startCluster(count = 3, args: readonly string[] = []): Promise<TestCluster> {
  const started = await Promise.all(Array.from({ length: count }, async () => startNode(args)));
  const stop = async (): Promise<void> => {
    await Promise.all(started.map(async ({ redis }) => redis.stop()));
  };
  try {
    await form(started);
  } catch (error) {
    await stop();
    throw error;
  }
  const nodes = started.map(({ redis }) => redis);
  const hosts = nodes.map(({ port }) => `127.0.0.1:${port}`);
  return { url: `redis+cluster://${hosts.join(",")}`, nodes, stop };
}

interface Node {
  readonly redis: TestRedis;
  readonly busPort: number;
}

async function startNode(args: readonly string[]): Promise<Node> {
  for (let tries = 1; ; tries += 1) {
    const [port = 0, busPort = 0] = await freePorts(2);
    const settings = ["--cluster-enabled", "yes", "--cluster-port", String(busPort), ...args];
    try {
      return { redis: await startRedis({ port, args: settings }), busPort };
    } catch (error) {
      const taken = error instanceof LocalRedisError && error.code === "port-taken";
      if (!taken || tries >= PORT_TRIES_MAX) throw error;
    }
  }
}

/** Takes about 2 s: that long a fresh master holds back before it accepts writes. */
async function form(nodes: readonly Node[]): Promise<void> {
  const links = await Promise.all(nodes.map(async ({ redis }) => connectResp(redis.port)));
  try {
    // Distinct epochs, while the nodes are still alone: else they spend their first seconds
    // settling who may claim what, and a test that moves slots would race with that.
    await each(links, async (link, index) => {
      const first = Math.floor((SLOTS * index) / links.length);
      const last = Math.floor((SLOTS * (index + 1)) / links.length) - 1;
      await link.command("CLUSTER", "ADDSLOTSRANGE", String(first), String(last));
      await link.command("CLUSTER", "SET-CONFIG-EPOCH", String(index + 1));
    });
    // Everybody meets everybody: faster than waiting for gossip.
    await each(links, async (link, index) => {
      for (const { redis, busPort } of nodes.slice(index + 1)) {
        const address = ["127.0.0.1", String(redis.port), String(busPort)];
        await link.command("CLUSTER", "MEET", ...address);
      }
    });
    await until(async () => {
      const states = await Promise.all(links.map(async (link) => isFormed(link, links.length)));
      return states.every(Boolean);
    });
  } finally {
    for (const link of links) link.close();
  }
}

async function isFormed(link: Resp, count: number): Promise<boolean> {
  const info = String(await link.command("CLUSTER", "INFO"));
  const slots = await link.command("CLUSTER", "SLOTS");
  return (
    info.includes("cluster_state:ok") &&
    info.includes(`cluster_known_nodes:${count}\r`) &&
    info.includes(`cluster_slots_ok:${SLOTS}\r`) &&
    Array.isArray(slots) &&
    slots.length === count
  );
}

async function each(
  links: readonly Resp[],
  work: (link: Resp, index: number) => Promise<void>,
): Promise<void> {
  await Promise.all(links.map(work));
}
