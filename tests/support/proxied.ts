/** One Redis on each topology that clients reach through a fault proxy only. */
import type { Topology } from "latchkey/redis";
import { type FaultProxy, startProxy } from "./fault-proxy.ts";
import { startCluster } from "./redis-cluster.ts";
import { startSentinel } from "./redis-sentinel.ts";
import { startRedis, type TestRedis } from "./redis-server.ts";
import { connectResp, type Resp, respOnce } from "./resp.ts";

export interface Proxied {
  readonly topology: Topology;
  /** Leads to the proxy. */
  readonly url: string;
  readonly proxy: FaultProxy;
  readonly redis: TestRedis;
  /** Past the proxy. */
  readonly resp: Resp;
  stop(): Promise<void>;
}

export async function startProxied(topology: Topology): Promise<Proxied> {
  const { url, redis, stop, proxy } = await start(topology);
  const resp = await connectResp(redis.port);
  return {
    ...{ topology, url, proxy, redis, resp },
    async stop() {
      resp.close();
      await stop();
      await proxy.stop();
    },
  };
}

type Started = Pick<Proxied, "url" | "redis" | "proxy" | "stop">;

async function start(topology: Topology): Promise<Started> {
  if (topology === "cluster") {
    const cluster = await startCluster(1);
    const [redis] = cluster.nodes;
    if (redis === undefined) throw new Error("a cluster without nodes");
    const proxy = await startProxy(redis.port);
    // Clients go where the node says it is.
    await respOnce(redis.port, "CONFIG", "SET", "cluster-announce-port", String(proxy.port));
    // A node that never met another does not know its own address, and ioredis does not guess it.
    await respOnce(redis.port, "CONFIG", "SET", "cluster-announce-ip", "127.0.0.1");
    const url = `redis+cluster://127.0.0.1:${proxy.port}`;
    return { url, redis, proxy, stop: cluster.stop };
  }
  if (topology === "single") {
    const redis = await startRedis();
    const proxy = await startProxy(redis.port);
    return { url: `redis://127.0.0.1:${proxy.port}`, redis, proxy, stop: redis.stop };
  }
  const proxies: FaultProxy[] = [];
  // Long enough for the Sentinels not to act: it is the client that is tested.
  const sentinel = await startSentinel({
    ...{ replicas: 0, downAfterMs: 60_000 },
    reach: async (port) => {
      const proxy = await startProxy(port);
      proxies.push(proxy);
      return proxy.port;
    },
  });
  const [redis] = sentinel.nodes;
  const [proxy] = proxies;
  if (redis === undefined || proxy === undefined) throw new Error("no primary");
  return { url: sentinel.url, redis, proxy, stop: sentinel.stop };
}
