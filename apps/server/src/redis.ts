/** The one place where the server's Redis connection is made. */
import type { SessionStore } from "latchkey";
import { nearCache } from "latchkey/near-cache";
import { connect, type RedisDriver, redisStore } from "latchkey/redis";

export interface RedisConnection {
  readonly driver: RedisDriver;
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
  /** Looks at Redis before anything of it is used; rejects if it must not be. */
  readonly admit: (driver: RedisDriver) => Promise<void>;
}

/** How long the server waits for Redis at its start before it gives up. */
const START_TIMEOUT_MS = 2_000;

/**
 * Connects. Rejects with "store-unavailable" if Redis cannot be reached, or with what `admit` does;
 * then nothing is left open.
 */
export async function connectRedis(
  { url, prefix, nearCacheEntries, admit }: RedisWishes,
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
    await admit(driver);
  } catch (error) {
    await driver.close();
    throw error;
  }
  isStarted = true;
  const redis = await redisStore({ driver, prefix });
  const store = nearCacheEntries > 0 ? nearCache(redis, { maxEntries: nearCacheEntries }) : redis;
  return {
    ...{ driver, store },
    async ping() {
      await driver.command("", ["PING"]);
    },
    async close() {
      isStarted = false;
      await store.close();
      await driver.close();
    },
  };
}
