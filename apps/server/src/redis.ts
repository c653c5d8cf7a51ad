/** The one place where the server's Redis connection is made. */
import type { SessionStore } from "latchkey";
import { connect, driverFor, redisStore } from "latchkey/redis";
import { ConfigError } from "./config.ts";

export interface RedisConnection {
  readonly store: SessionStore;
  /** Rejects when Redis does not answer in time. */
  ping(): Promise<void>;
  close(): void;
}

/** How long the server waits for Redis at its start before it gives up. */
const START_TIMEOUT_MS = 2_000;

/**
 * Connects, and claims the keyspace for this profile. Rejects with "store-unavailable" if Redis
 * cannot be reached, with `ConfigError` if the keyspace belongs to a server of another profile.
 */
export async function connectRedis(
  { url, prefix }: { readonly url: string; readonly prefix: string },
  say: (line: string) => void,
): Promise<RedisConnection> {
  const client = await connect(url, { timeoutMs: START_TIMEOUT_MS });
  const driver = driverFor(client);
  try {
    await claimKeyspace((key, args) => driver.command(key, args), prefix);
  } catch (error) {
    client.destroy();
    throw error;
  }
  let isLost = false;
  client.on("error", (error) => {
    if (!isLost)
      say(`Redis connection lost: ${error instanceof Error ? error.message : "unknown"}`);
    isLost = true;
  });
  client.on("ready", () => {
    if (isLost) say("Connected to Redis again");
    isLost = false;
  });
  return {
    store: await redisStore({ client, prefix }),
    async ping() {
      await driver.command("", ["PING"]);
    },
    close: () => client.destroy(),
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
