/** A primary, its replicas, and three Sentinels that fail over for it: real processes, one machine. */
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RedisProcess } from "../../apps/server/src/local-redis/redis-process.ts";
import { redisBinary } from "./binaries.ts";
import { freePort } from "./free-port.ts";
import { startRedis, type TestRedis } from "./redis-server.ts";
import { respOnce } from "./resp.ts";
import { until } from "./until.ts";

export interface TestSentinel {
  /** `redis+sentinel://127.0.0.1:p1,127.0.0.1:p2,127.0.0.1:p3/main` */
  readonly url: string;
  /** What the Sentinels call the primary. */
  readonly master: string;
  readonly sentinelPorts: readonly number[];
  /** The first one began as the primary. */
  readonly nodes: readonly TestRedis[];
  /** The port that most Sentinels name. */
  primaryPort(): Promise<number>;
  stop(): Promise<void>;
}

export interface TestSentinelOptions {
  readonly replicas?: number;
  readonly downAfterMs?: number;
  readonly args?: readonly string[];
  /** Where the Sentinels, and all who ask them, reach the primary, if not at its own port. */
  readonly reach?: (port: number) => Promise<number>;
}

const MASTER = "main";
const SENTINELS = 3;
const QUORUM = 2;

export async function startSentinel(options: TestSentinelOptions = {}): Promise<TestSentinel> {
  const { replicas = 1, downAfterMs = 1_000, args = [] } = options;
  const primary = await startRedis({ args });
  const follow = [
    "--replicaof",
    "127.0.0.1",
    String(primary.port),
    "--repl-diskless-sync-delay",
    "0",
  ];
  const others = await Promise.all(
    Array.from({ length: replicas }, async () => startRedis({ args: [...follow, ...args] })),
  );
  await until(async () =>
    String(await respOnce(primary.port, "INFO", "replication")).includes(
      `connected_slaves:${replicas}`,
    ),
  );
  const reached = (await options.reach?.(primary.port)) ?? primary.port;
  const sentinels = await Promise.all(
    Array.from({ length: SENTINELS }, async () => startOne(reached, downAfterMs)),
  );
  const ports = sentinels.map(({ process }) => process.port);
  await until(async () =>
    (await Promise.all(ports.map((port) => knows(port, replicas)))).every(Boolean),
  );
  return {
    url: `redis+sentinel://${ports.map((port) => `127.0.0.1:${port}`).join(",")}/${MASTER}`,
    master: MASTER,
    sentinelPorts: ports,
    nodes: [primary, ...others],
    primaryPort: () => primaryOf(ports),
    async stop() {
      await Promise.all(sentinels.map((sentinel) => sentinel.stop()));
      await Promise.all([primary, ...others].map((node) => node.stop()));
    },
  };
}

/** Most of them: one that was slow to hear of a failover does not count. */
async function primaryOf(ports: readonly number[]): Promise<number> {
  const named = await Promise.all(
    ports.map(async (port) => {
      const reply = await respOnce(port, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER);
      return Number(Array.isArray(reply) ? reply[1] : 0);
    }),
  );
  const votes = (port: number): number => named.filter((one) => one === port).length;
  return named.toSorted((a, b) => votes(b) - votes(a))[0] ?? 0;
}

/** Whether a Sentinel has met the others and the replicas: before that it can fail nothing over. */
async function knows(port: number, replicas: number): Promise<boolean> {
  const info = String(await respOnce(port, "INFO", "sentinel"));
  return info.includes(`slaves=${replicas},sentinels=${SENTINELS}`);
}

async function startOne(
  primaryPort: number,
  downAfterMs: number,
): Promise<{ readonly process: RedisProcess; stop(): Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), "latchkey-sentinel-"));
  const config = [
    `sentinel monitor ${MASTER} 127.0.0.1 ${primaryPort} ${QUORUM}`,
    `sentinel down-after-milliseconds ${MASTER} ${downAfterMs}`,
    `sentinel failover-timeout ${MASTER} 6000`,
  ];
  await writeFile(join(dir, "sentinel.conf"), `${config.join("\n")}\n`);
  // A Sentinel is a Redis server that was started with a configuration file and this flag.
  const binary = join(dir, "sentinel.sh");
  await writeFile(
    binary,
    `#!/bin/sh\nexec '${await redisBinary()}' sentinel.conf --sentinel "$@"\n`,
  );
  await chmod(binary, 0o755);
  const logFile = join(dir, "sentinel.log");
  const process = new RedisProcess({ binary, port: await freePort(), dir, logFile });
  await process.ready();
  return {
    process,
    async stop() {
      await process.stop();
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
