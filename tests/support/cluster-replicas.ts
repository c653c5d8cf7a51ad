/** Replicas for a Redis Cluster: one for each primary, ready to take over. */
import { freePorts } from "./free-port.ts";
import type { TestCluster } from "./redis-cluster.ts";
import { startRedis, type TestRedis } from "./redis-server.ts";
import { respOnce } from "./resp.ts";
import { until } from "./until.ts";

/** In the order of the primaries. They stop with `stop`, before the cluster does. */
export async function addReplicas(
  cluster: TestCluster,
  args: readonly string[] = [],
): Promise<{ readonly replicas: readonly TestRedis[]; stop(): Promise<void> }> {
  const replicas = await Promise.all(cluster.nodes.map(({ port }) => startFor(port, args)));
  // All must know who replicates whom: they vote.
  for (const { port } of [...cluster.nodes, ...replicas]) {
    await until(async () => {
      const nodes = String(await respOnce(port, "CLUSTER", "NODES"));
      return (
        nodes.split("\n").filter((line) => / (myself,)?slave /.test(line)).length ===
        replicas.length
      );
    });
  }
  return {
    replicas,
    async stop() {
      await Promise.all(replicas.map((replica) => replica.stop()));
    },
  };
}

/** A node that has met the primary and replicates it. */
async function startFor(primary: number, args: readonly string[]): Promise<TestRedis> {
  const [port = 0, busPort = 0] = await freePorts(2);
  const settings = ["--cluster-enabled", "yes", "--cluster-port", String(busPort)];
  const quick = ["--repl-diskless-sync-delay", "0"];
  const replica = await startRedis({ port, args: [...settings, ...quick, ...args] });
  const bus = String(await busPortOf(primary));
  await respOnce(port, "CLUSTER", "MEET", "127.0.0.1", String(primary), bus);
  const id = String(await respOnce(primary, "CLUSTER", "MYID"));
  await until(async () => {
    const outcome = await respOnce(port, "CLUSTER", "REPLICATE", id).catch(() => "not yet");
    return outcome === "OK";
  });
  await until(async () =>
    String(await respOnce(port, "INFO", "replication")).includes("master_link_status:up"),
  );
  return replica;
}

/** `id host:port@busPort,…` of the node itself. */
async function busPortOf(port: number): Promise<number> {
  const nodes = String(await respOnce(port, "CLUSTER", "NODES"));
  const own = nodes.split("\n").find((line) => line.includes("myself")) ?? "";
  return Number(/@(\d+)/.exec(own)?.[1]);
}
