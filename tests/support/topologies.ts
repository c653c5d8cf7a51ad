/** One Redis, one behind Sentinels and one Cluster, and every way to get a driver for each of them. */

import type { RedisDriver } from "latchkey/redis";
import { connect, driverFor, type Library, type RedisClient, type Topology } from "latchkey/redis";
import { afterAll, beforeAll } from "vitest";
import { startCluster } from "./redis-cluster.ts";
import { startSentinel } from "./redis-sentinel.ts";
import { startRedis } from "./redis-server.ts";
import { connectResp, type Resp } from "./resp.ts";

export interface Place {
  readonly topology: Topology;
  readonly url: string;
  /** Ports of the primaries. */
  readonly ports: readonly number[];
  /** One connection per primary. */
  readonly primaries: readonly Resp[];
}

export const TOPOLOGIES: readonly Topology[] = ["single", "sentinel", "cluster"];
export const LIBRARIES: readonly Library[] = ["redis", "ioredis"];

/** Each library with each topology. */
export const KINDS: readonly (readonly [Library, Topology])[] = LIBRARIES.flatMap((library) =>
  TOPOLOGIES.map((topology) => [library, topology] as const),
);

/** The servers of all tests of a file; to be asked for within them. */
export function usePlaces(): (topology: Topology) => Place {
  const places = new Map<Topology, Place>();
  const stops: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    const [redis, sentinel, cluster] = await Promise.all([
      startRedis(),
      startSentinel(),
      startCluster(),
    ]);
    stops.push(redis.stop, sentinel.stop, cluster.stop);
    const place = async (topology: Topology, url: string, ports: number[]): Promise<void> => {
      const primaries = await Promise.all(ports.map(connectResp));
      places.set(topology, { topology, url, ports, primaries });
    };
    await place("single", redis.url, [redis.port]);
    await place("sentinel", sentinel.url, [await sentinel.primaryPort()]);
    await place(
      "cluster",
      cluster.url,
      cluster.nodes.map(({ port }) => port),
    );
  });
  afterAll(async () => {
    for (const { primaries } of places.values()) for (const resp of primaries) resp.close();
    await Promise.all(stops.map((stop) => stop()));
  });
  return (topology) => {
    const place = places.get(topology);
    if (place === undefined) throw new Error("servers run only during tests");
    return place;
  };
}

export interface Opened {
  readonly driver: RedisDriver;
  close(): Promise<void>;
}

/** By its URL. */
export async function openUrl(
  library: Library,
  url: string,
  callTimeoutMs: number,
): Promise<Opened> {
  const driver = await connect(url, { library, callTimeoutMs });
  return { driver, close: () => driver.close() };
}

/** With a client of the application's own, made as the guide says. */
export async function openClient(
  library: Library,
  place: Pick<Place, "topology" | "url">,
  callTimeoutMs: number,
): Promise<Opened> {
  const { client, end } = await (library === "redis" ? nodeRedis(place) : ioredis(place));
  return { driver: driverFor(client, callTimeoutMs), close: end };
}

export interface Client {
  readonly client: RedisClient;
  readonly end: () => Promise<void>;
}

type Where = Pick<Place, "topology" | "url">;

export async function nodeRedis({ topology, url }: Where): Promise<Client> {
  const { createClient, createCluster, createSentinel } = await import("redis");
  if (topology === "single") {
    const client = createClient({ url });
    client.on("error", () => {});
    await client.connect();
    return { client, end: async () => client.destroy() };
  }
  if (topology === "cluster") {
    const rootNodes = endpoints(url).map(({ host, port }) => ({ url: `redis://${host}:${port}` }));
    const client = createCluster({ rootNodes });
    client.on("error", () => {});
    await client.connect();
    return { client, end: async () => client.destroy() };
  }
  const client = createSentinel({ name: "main", sentinelRootNodes: [...endpoints(url)] });
  client.on("error", () => {});
  await client.connect();
  return { client, end: async () => client.destroy() };
}

export async function ioredis({ topology, url }: Where): Promise<Client> {
  const { Redis, Cluster } = await import("ioredis");
  const safe = { enableOfflineQueue: false, lazyConnect: true } as const;
  if (topology === "cluster") {
    const client = new Cluster([...endpoints(url)], { ...safe, retryDelayOnFailover: 0 });
    client.on("error", () => {});
    await client.connect();
    return { client, end: async () => client.disconnect() };
  }
  const single = { ...safe, autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0 };
  const where =
    topology === "single"
      ? { ...endpoints(url)[0] }
      : { sentinels: [...endpoints(url)], name: "main" };
  const client = new Redis({ ...single, ...where });
  client.on("error", () => {});
  await client.connect();
  return { client, end: async () => client.disconnect() };
}

function endpoints(url: string): readonly { readonly host: string; readonly port: number }[] {
  const hosts = /\/\/([^/]+)/.exec(url)?.[1]?.split(",") ?? [];
  return hosts.map((host) => ({ host: "127.0.0.1", port: Number(host.split(":")[1]) }));
}
