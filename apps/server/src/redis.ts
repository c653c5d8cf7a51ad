/** The one place where the server's Redis connection is made. */
import type { SessionStore } from "latchkey";
import { nearCache } from "latchkey/near-cache";
import { connect, redisStore } from "latchkey/redis";
import { ConfigError } from "./config.ts";

export interface RedisConnection {
  readonly store: SessionStore;
  /** Rejects when Redis does not answer in time. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export interface RedisWishes {
  readonly url: string;
  readonly prefix: string;
  /** 0: every check asks Redis. */
  readonly nearCacheEntries: number;
}

/** How long the server waits for Redis at its start before it gives up. */
const START_TIMEOUT_MS = 2_000;

/**
 * Connects, and claims the keyspace for this profile. Rejects with "store-unavailable" if Redis
 * cannot be reached, with `ConfigError` if the keyspace belongs to a server of another profile.
 */
export async function connectRedis(
  { url, prefix, nearCacheEntries }: RedisWishes,
  say: (line: string) => void,
): Promise<RedisConnection> {
  let isLost = false;
  const onChange = (problem: Error | undefined): void => {
    if (problem !== undefined && !isLost) say(`Redis connection lost: ${problem.message}`);
    if (problem === undefined && isLost) say("Connected to Redis again");
    isLost = problem !== undefined;
  };
  let isStarted = false;
  const driver = await connect(url, {
    timeoutMs: START_TIMEOUT_MS,
    onChange: (problem) => {
      if (isStarted) onChange(problem);
    },
  });
  try {
    await claimKeyspace((key, args) => driver.command(key, args), prefix);
  } catch (error) {
    await driver.close();
    throw error;
  }
  isStarted = true;
  const redis = await redisStore({ driver, prefix });
  const store = nearCacheEntries > 0 ? nearCache(redis, { maxEntries: nearCacheEntries }) : redis;
  return {
    store,
    async ping() {
      await driver.command("", ["PING"]);
    },
    async close() {
      await store.close();
      await driver.close();
    },
  };
}

/**
 * A demo server on the keyspace of a production server would take anyone's word for who they are.
 * So the first server writes its profile at `auth:profile`, and others compare. One command: two
 * servers that start at once cannot both think they were first.
 */
async function claimKeyspace(
  command: (key: string, args: readonly string[]) => Promise<unknown>,
  prefix: string,
): Promise<void> {
  const key = prefix === "session:" ? "auth:profile" : `${prefix}auth:profile`;
  const owner = await command(key, ["SET", key, "demo", "NX", "GET"]);
  if (owner === null || owner === "demo") return;
  throw new ConfigError([
    `REDIS_URL points at sessions of another profile (${key} in Redis): a demo server must not use them`,
  ]);
}
