/**
 * A Redis of the test's own: a real process on a free port of 127.0.0.1 with a temporary folder.
 * It dies with the test process, also when that is killed.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalRedisError } from "../../apps/server/src/local-redis/local-redis-error.ts";
import { RedisProcess } from "../../apps/server/src/local-redis/redis-process.ts";
import { redisBinary } from "./binaries.ts";
import { freePort } from "./free-port.ts";

export interface TestRedisOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** More settings, `"--name", "value"`; they win over the defaults (no persistence). */
  readonly args?: readonly string[];
}

export interface TestRedis {
  readonly url: string;
  readonly port: number;
  /** Of the Redis process itself; another one after `restart()`. */
  readonly pid: number;
  /** Sends a signal. For a deadly one, resolves once the process is gone. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Stops it if it runs, and starts it on the same port and folder. Kept data depend on `args`. */
  restart(): Promise<void>;
  /** No process and no folder of it is left. Repeating it does nothing. */
  stop(): Promise<void>;
}

/** A free port may be taken before Redis binds it; then another one is tried. */
const PORT_TRIES_MAX = 10;
const DEADLY: readonly NodeJS.Signals[] = ["SIGKILL", "SIGTERM", "SIGINT"];
const NO_PERSISTENCE = ["--save", "", "--appendonly", "no"];

export async function startRedis(options: TestRedisOptions = {}): Promise<TestRedis> {
  const dir = await mkdtemp(join(tmpdir(), "latchkey-redis-"));
  try {
    return await startIn(dir, options);
  } catch (error) {
    await removeFolder(dir);
    throw error;
  }
}

async function startIn(dir: string, options: TestRedisOptions): Promise<TestRedis> {
  const binary = await redisBinary();
  const start = async (port: number): Promise<RedisProcess> => {
    const args = [...NO_PERSISTENCE, ...(options.args ?? [])];
    const started = new RedisProcess({ binary, port, dir, args, logFile: join(dir, "redis.log") });
    await started.ready();
    return started;
  };
  let redis = await onFreePort(options.port, start);
  const { port } = redis;
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    get pid() {
      return redis.pid;
    },
    kill: async (signal) => {
      redis.kill(signal);
      if (DEADLY.includes(signal)) await redis.ended;
    },
    restart: async () => {
      await redis.stop();
      redis = await start(port);
    },
    stop: async () => {
      await redis.stop();
      await removeFolder(dir);
    },
  };
}

async function onFreePort(
  wanted: number | undefined,
  start: (port: number) => Promise<RedisProcess>,
): Promise<RedisProcess> {
  if (wanted !== undefined) return start(wanted);
  for (let tries = 1; ; tries += 1) {
    try {
      return await start(await freePort());
    } catch (error) {
      const taken = error instanceof LocalRedisError && error.code === "port-taken";
      if (!taken || tries >= PORT_TRIES_MAX) throw error;
    }
  }
}

async function removeFolder(dir: string): Promise<void> {
  // A forked child of Redis that writes a file may be a moment behind.
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
}
