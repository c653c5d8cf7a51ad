/** What `redisStore` takes, and the driver that follows from it. */
import { type Duration, parseDuration } from "../core/duration.ts";
import { SessionError } from "../core/errors.ts";
import { invalidOption, refuseUnknown } from "../core/options.ts";
import type { RandomBytes } from "../core/token.ts";
import { connect, driverFor, type RedisClient } from "./connect.ts";
import { CALL_TIMEOUT, type Library, type RedisDriver } from "./driver.ts";

export type RedisStoreOptions = {
  /** Before every key; default `session:`. Letters, digits and `_ . : / -`, at most 64. */
  readonly prefix?: string;
  /** Source of the ids. Default: the operating system's. */
  readonly random?: RandomBytes;
} & (
  | {
      /**
       * `redis://`, `rediss://`, `redis+sentinel://host:port,…/master` or
       * `redis+cluster://host:port,…`. The store opens and closes it.
       */
      readonly url: string;
      /** Which package makes the connections. Default: `redis` if it is installed, else `ioredis`. */
      readonly library?: Library;
      /** Longest wait for one call, then "store-unavailable". Default "250ms". */
      readonly callTimeout?: Duration;
    }
  | {
      /** A connected client of the `redis` or the `ioredis` package. You close it. */
      readonly client: RedisClient;
      readonly callTimeout?: Duration;
    }
  | {
      /** From `connect`, for whoever needs it beside the store. You close it. */
      readonly driver: RedisDriver;
    }
);

const SOURCES = ["url", "client", "driver"];
const OPTION_NAMES = [...SOURCES, "library", "prefix", "random", "callTimeout"];
const LIBRARIES: readonly unknown[] = ["redis", "ioredis", undefined];
/** Opens what the options name. */
export async function driverOf(options: RedisStoreOptions): Promise<RedisDriver> {
  if ("driver" in options) return options.driver;
  const callTimeoutMs = parseDuration(options.callTimeout ?? CALL_TIMEOUT, "callTimeout");
  if ("client" in options) return driverFor(options.client, callTimeoutMs);
  return connect(options.url, { library: options.library, callTimeoutMs });
}

/** Throws `invalid-option` for what is misspelt, missing or contradicts itself. */
export function checkStoreOptions(options: RedisStoreOptions): void {
  if (typeof options !== "object" || options === null) {
    const rule = "redisStore takes an object: { url }";
    throw new SessionError("invalid-option", rule, { field: "url" });
  }
  refuseUnknown(options, OPTION_NAMES, "redisStore");
  const given = Object.keys(Object(options));
  if (given.filter((name) => SOURCES.includes(name)).length !== 1) {
    throw invalidOption("url", "or client or driver must be given, and only one of them");
  }
  if ("driver" in options && given.includes("callTimeout")) {
    throw invalidOption("callTimeout", "is the driver's own: give it to connect");
  }
  if ("library" in options && !LIBRARIES.includes(options.library)) {
    throw invalidOption("library", "must be redis or ioredis");
  }
}
