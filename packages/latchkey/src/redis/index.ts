/** Sessions in Redis. */
export { ANSWERS, type Answer } from "./answers.ts";
export {
  CONNECT_TIMEOUT_MS,
  type ConnectOptions,
  connect,
  driverFor,
  type RedisClient,
} from "./connect.ts";
export type { Library, Moving, RedisDriver, Script, Topology } from "./driver.ts";
export type { IoredisClient } from "./ioredis.ts";
export { userKey } from "./keys.ts";
export type { NodeRedisClient } from "./node-redis.ts";
export { redisStore } from "./redis-store.ts";
export type { RedisStoreOptions } from "./store-options.ts";
export { parseRedisUrl, type Target } from "./url.ts";
