/** Where sessions are kept: opened as the profile asks, watched while it runs, let go of at the end. */
import { isSessionError, type SessionStore } from "latchkey";
import { memoryStore } from "latchkey/memory";
import type { RedisDriver } from "latchkey/redis";
import type { Config, DemoConfig, ProductionConfig } from "./config/config.ts";
import { ConfigError, lineOf, type Notice } from "./config/rule.ts";
import { GatedStore } from "./gated-store.ts";
import { bringUpRedis } from "./local-redis/local-redis.ts";
import type { ScriptRunner } from "./lua-script.ts";
import { claimKeyspace, markerKey, type Self, watchKeyspace } from "./profile-marker.ts";
import { connectRedis, type RedisConnection } from "./redis.ts";
import { factsOf, hopeless, judge } from "./redis-checks.ts";
import { every, pause } from "./timers.ts";

export interface Backing {
  readonly kind: "redis" | "memory";
  readonly store: SessionStore;
  /** Rejects when sessions cannot be checked. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export interface ProductionBacking extends Backing {
  /** Runs our own scripts, where the store would answer; "store-unavailable" where it would not. */
  readonly scripts: ScriptRunner;
  /** Resolves once Redis has been reached and found good. */
  readonly opened: Promise<void>;
}

/** Whom to tell, as long as the server runs. */
export interface Listener {
  readonly say: (line: string) => void;
  readonly warn: (notice: Notice) => void;
  /** A Redis that came later than the server must not be used: the process is to end. */
  readonly refused: (error: unknown) => void;
}

const DATA_DIR = ".data";
const RETRY_MS = 1_000;

/**
 * The configured Redis, else one of this machine, else (only when asked for) none. Rejects with
 * "store-unavailable", `LocalRedisError` or `ConfigError`.
 */
export async function openDemo(config: DemoConfig, listener: Listener): Promise<Backing> {
  const { memory, redisUrl, allowInstall } = config;
  const { say, warn } = listener;
  if (memory) {
    const message = "means NO REDIS: sessions end with this process, and no other server sees them";
    warn({ code: "memory_only", setting: "--memory", message });
    const store = memoryStore();
    return { kind: "memory", store, ping: async () => {}, close: () => store.close() };
  }
  const local =
    redisUrl === undefined
      ? await bringUpRedis({ dataDir: DATA_DIR, allowInstall, say })
      : undefined;
  const gate = new GatedStore("not connected yet");
  const url = local?.url ?? redisUrl ?? "";
  const redis = await openGate({ gate, config, url, self: { profile: "demo" }, listener });
  return {
    ...{ kind: "redis", store: gate, ping: redis.ping },
    async close() {
      await redis.close();
      await local?.stop();
    },
  };
}

/**
 * The configured Redis. While it cannot be reached the store is "store-unavailable", and tried again.
 * Rejects with `ConfigError` if it is there and must not be used.
 */
export async function openProduction(
  config: ProductionConfig,
  listener: Listener,
): Promise<ProductionBacking> {
  const gate = new GatedStore("Redis has not been reached yet");
  const self: Self = { profile: "production", keyIds: config.keys.ids };
  const check = (driver: RedisDriver): Promise<readonly Notice[]> => checkRedis(driver, config);
  let redis: RedisConnection | undefined;
  let isClosed = false;
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const attempt = (): Promise<string | undefined> =>
    reached(config.redisUrl, async () => {
      redis = await openGate({ gate, config, url: config.redisUrl, self, listener, check });
      if (isClosed) await redis.close();
      else open();
    });
  const goOn = async (before: string | undefined): Promise<void> => {
    for (let told = before; told !== undefined && !isClosed; ) {
      await pause(RETRY_MS);
      const problem = await attempt();
      if (problem !== undefined && problem !== told) listener.say(notReady(problem));
      told = problem;
    }
  };
  const problem = await attempt();
  if (problem !== undefined) listener.say(notReady(problem));
  void goOn(problem).catch(listener.refused);
  return {
    ...{ kind: "redis", store: gate, opened },
    scripts: {
      async script(...args) {
        gate.check();
        // An open gate has a Redis behind it.
        if (redis === undefined) throw new TypeError("the gate is open, and there is no Redis");
        return redis.driver.script(...args);
      },
    },
    async ping() {
      gate.check();
      await redis?.ping();
    },
    async close() {
      isClosed = true;
      await redis?.close();
    },
  };
}

function notReady(problem: string): string {
  return `REDIS_URL: ${problem}. Answering 503 until it is`;
}

/** Undefined: it went well. Else why Redis cannot be reached. Rejects if trying again is of no use. */
async function reached(url: string, open: () => Promise<void>): Promise<string | undefined> {
  try {
    await open();
    return undefined;
  } catch (error) {
    const refusal = hopeless(error, url);
    if (refusal !== undefined) throw ConfigError.of([refusal]);
    if (isSessionError(error) && error.code === "store-unavailable") return error.message;
    throw error;
  }
}

/** What to warn of. Rejects if this Redis must not be used. */
async function checkRedis(
  driver: RedisDriver,
  { redisUrl, allowsEviction }: ProductionConfig,
): Promise<readonly Notice[]> {
  const { refusals, warnings } = judge(await factsOf(driver, redisUrl, allowsEviction));
  if (refusals.length > 0) throw ConfigError.of(refusals);
  return warnings;
}

interface Opening {
  readonly gate: GatedStore;
  readonly config: Config;
  readonly url: string;
  readonly self: Self;
  readonly listener: Listener;
  /** What to warn of. Rejects if this Redis must not be used. */
  readonly check?: (driver: RedisDriver) => Promise<readonly Notice[]>;
}

/** Connects, and opens the gate for as long as the keyspace is ours. */
async function openGate(opening: Opening): Promise<RedisConnection> {
  const { gate, config, url, self, listener, check = async () => [] } = opening;
  const { sessionPrefix: prefix, nearCacheEntries } = config;
  const claim = (driver: RedisDriver): Promise<Notice | undefined> =>
    claimKeyspace(driver, markerKey(prefix), self);
  const admit = async (driver: RedisDriver): Promise<void> => {
    const warnings = await check(driver);
    const refusal = await claim(driver);
    if (refusal !== undefined) throw ConfigError.of([refusal]);
    for (const warning of warnings) listener.warn(warning);
  };
  const redis = await connectRedis({ url, prefix, nearCacheEntries, admit }, listener.say);
  gate.open(redis.store);
  listener.say("Connected to Redis");
  const shut = (refusal: Notice): void => {
    gate.shut(lineOf(refusal));
    listener.warn({ ...refusal, message: `${refusal.message}. Answering 503 from now on` });
  };
  const unwatch = watchKeyspace(() => claim(redis.driver), shut, every);
  return {
    ...redis,
    async ping() {
      gate.check();
      await redis.ping();
    },
    async close() {
      unwatch();
      await redis.close();
    },
  };
}
