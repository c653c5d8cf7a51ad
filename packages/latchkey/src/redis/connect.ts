/** From a URL, or from somebody's client, to a driver. */
import { parseDuration } from "../core/duration.ts";
import { SessionError } from "../core/errors.ts";
import { invalidOption } from "../core/options.ts";
import { ClusterLink } from "./cluster.ts";
import { CALL_TIMEOUT, type Library, pause, type RedisDriver } from "./driver.ts";
import { redisFeed } from "./feed/invalidation-feed.ts";
import { guarded } from "./guard.ts";
import { type IoredisClient, ioredisDialler, ioredisLink } from "./ioredis.ts";
import type { TracedLink } from "./link.ts";
import { type Access, type Dialler, isHopeless, RedisNode } from "./node.ts";
import { type NodeRedisClient, nodeRedisDialler, nodeRedisLink } from "./node-redis.ts";
import { SentinelLink } from "./sentinel.ts";
import { parseRedisUrl, type Target } from "./url.ts";

/** A client of the `redis` or the `ioredis` package: single, through Sentinel, or of a Cluster. */
export type RedisClient = NodeRedisClient | IoredisClient;

export interface ConnectOptions {
  /** How long to try before giving up. */
  readonly timeoutMs?: number;
  /** Longest wait for one call. */
  readonly callTimeoutMs?: number;
  /** Which package makes the connections. Default: `redis` if it is installed, else `ioredis`. */
  readonly library?: Library | undefined;
  /** Hears after each change why not everything can be reached; undefined: it can. */
  readonly onChange?: (problem: Error | undefined) => void;
}

/** How long `connect` tries before it gives up. */
export const CONNECT_TIMEOUT_MS = 5_000;
const CALL_TIMEOUT_MS = parseDuration(CALL_TIMEOUT, "callTimeout");
const POLL_MS = 5;

/**
 * Opens connections for a URL; the forms are those of `parseRedisUrl`. They fail fast while Redis is
 * away, and come back by themselves for ever. Rejects with `invalid-option` for another URL, with
 * "store-unavailable" if Redis does not answer within `timeoutMs`, cannot do what the store needs, or
 * does not let us in. In a Cluster one shard is enough to begin with.
 */
export async function connect(url: string, options: ConnectOptions = {}): Promise<RedisDriver> {
  const target = parseRedisUrl(url);
  const dialler = await diallerOf(options.library);
  const { onChange = () => {}, timeoutMs = CONNECT_TIMEOUT_MS } = options;
  const link = open(target, dialler, () => onChange(link.problem()));
  await up(link, timeoutMs);
  return guarded(link, options.callTimeoutMs ?? CALL_TIMEOUT_MS, (prefix) =>
    redisFeed(link, target, prefix),
  );
}

/**
 * A client that somebody made and connected, as the store sees it; closing it is left to them.
 * Throws `invalid-option` for one whose options break a promise of the store.
 */
export function driverFor(
  client: RedisClient,
  callTimeoutMs: number = CALL_TIMEOUT_MS,
): RedisDriver {
  const shape = Object(client);
  const link = nodeRedisLink(shape, callTimeoutMs) ?? ioredisLink(shape);
  if (link === undefined) {
    throw invalidOption("client", "must be a client of the redis or the ioredis package");
  }
  return guarded(link, callTimeoutMs);
}

async function diallerOf(library: Library | undefined): Promise<Dialler> {
  const absent = (name: string): Promise<never> =>
    Promise.reject(invalidOption("library", `is not installed: npm install ${name}`));
  if (library === "ioredis") return ioredisDialler().catch(() => absent("ioredis"));
  if (library === "redis") return nodeRedisDialler().catch(() => absent("redis"));
  return nodeRedisDialler().catch(() => ioredisDialler().catch(() => absent("redis")));
}

function open(target: Target, dialler: Dialler, changed: () => void): TracedLink {
  const { topology, endpoints, tls, username, password, database } = target;
  const access: Access = { dialler, tls, username, password, database };
  // While the link is being made there is nothing to tell of it yet.
  const onChange = (): void => queueMicrotask(changed);
  if (topology === "cluster") return new ClusterLink(access, endpoints, onChange);
  if (topology === "sentinel") return new SentinelLink(access, target, onChange);
  const [endpoint] = endpoints;
  if (endpoint === undefined) throw invalidOption("url", "names no server");
  const locate = async (): Promise<typeof endpoint> => endpoint;
  return new RedisNode({ locate, access, topology, isProbed: true, onChange });
}

async function up(link: TracedLink, timeoutMs: number): Promise<void> {
  const end = performance.now() + timeoutMs;
  for (let problem = link.problem(); problem !== undefined; problem = link.problem()) {
    const isLate = performance.now() >= end;
    if (isLate && link instanceof ClusterLink && link.isPartlyUp) return;
    if (isLate || isHopeless(problem)) {
      await link.close();
      const message = `Redis is not reachable: ${problem.message}`;
      throw new SessionError("store-unavailable", message, { cause: problem });
    }
    await pause(POLL_MS);
  }
}
