/**
 * Brings up a real Redis for the demo profile when REDIS_URL is not set: one that answers already,
 * else a private one, else one installed by the package manager. Never a mock. Says every step.
 */
import { join, resolve } from "node:path";
import { until } from "./deadline.ts";
import { LocalRedisError, reasonOf } from "./local-redis-error.ts";
import { DOCKER_COMMAND } from "./package-manager.ts";
import { PrivateRedis } from "./private-redis.ts";
import { describeFinding, type Finding, probeRedis } from "./probe.ts";
import { ensureRedisBinary } from "./redis-binary.ts";

export { LocalRedisError };

export interface LocalRedis {
  /** redis:// URL to connect to. */
  readonly url: string;
  /** One line for the banner: whose Redis it is, version, port, where its data is. */
  readonly description: string;
  /** Stops it if it is ours (waits, bounded); does nothing if it is somebody else's. */
  stop(): Promise<void>;
}

export interface LocalRedisOptions {
  /** Folder for the data, the log and a link of a private Redis; made if missing. */
  readonly dataDir: string;
  /** May the package manager be run? */
  readonly allowInstall: boolean;
  readonly say: (line: string) => void;
  /** The port to look at, and the first one to use; for the tests, which leave 6379 alone. */
  readonly port?: number;
}

const REDIS_PORT = 6379;
/** A private Redis takes the first free one of so many ports, counted from the one to look at. */
const PORTS_MAX = 21;
/** `docker start redis` and `npm start` in one line: Redis answers, but reads its data first. */
const LOADING_LIMIT_MS = 2_000;

/** Rejects with a LocalRedisError, one line with the command to type, when nothing works. */
export async function bringUpRedis(options: LocalRedisOptions): Promise<LocalRedis> {
  if (process.platform === "win32") {
    throw new LocalRedisError(
      "unsupported-platform",
      `no Redis for Windows. Set REDIS_URL, use WSL, or run: ${DOCKER_COMMAND}`,
    );
  }
  try {
    return await climb(options);
  } catch (cause) {
    if (cause instanceof LocalRedisError) throw cause;
    const message = `no Redis in ${options.dataDir}: ${reasonOf(cause)}. Set REDIS_URL`;
    throw new LocalRedisError("start-failed", message, { cause });
  }
}

async function climb(options: LocalRedisOptions): Promise<LocalRedis> {
  const { allowInstall, say, port = REDIS_PORT } = options;
  const dataDir = resolve(options.dataDir);
  const mine = new PrivateRedis({
    dataDir,
    ports: Array.from({ length: PORTS_MAX }, (_, index) => port + index),
    binary: async () => ensureRedisBinary({ allowInstall, say, linkDir: join(dataDir, "bin") }),
    say,
  });
  // Before the port: what answers there may be the Redis of a server of this folder that was just
  // killed. It answers for some more milliseconds, and must not be taken for somebody's Redis.
  if (await mine.join()) return handle(mine);
  const finding = await findRedis(port);
  if (finding.kind === "usable") {
    // A server of this folder may have started its Redis since we looked.
    if (await mine.join()) return handle(mine);
    const description = `${finding.version} found on 127.0.0.1:${port}, not started by this server`;
    say(`127.0.0.1:${port}: ${finding.version} answers without a password; using it`);
    return { url: urlOf(port), description, stop: async () => {} };
  }
  say(`127.0.0.1:${port}: ${describeFinding(finding)}${whatToDo(finding)}`);
  await mine.open();
  return handle(mine);
}

async function findRedis(port: number): Promise<Finding> {
  const finding = await until(LOADING_LIMIT_MS, async () => {
    const answer = await probeRedis(port);
    return answer.kind === "loading" ? undefined : answer;
  });
  return finding ?? { kind: "loading" };
}

function whatToDo(finding: Finding): string {
  if (finding.kind === "nothing") return "";
  return finding.kind === "password" ? "; not used (REDIS_URL can hold it)" : "; not used";
}

function handle(mine: PrivateRedis): LocalRedis {
  return {
    url: urlOf(mine.port),
    get description() {
      return mine.description;
    },
    stop: async () => mine.stop(),
  };
}

function urlOf(port: number): string {
  return `redis://127.0.0.1:${port}`;
}
