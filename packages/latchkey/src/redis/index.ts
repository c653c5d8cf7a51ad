/** Sessions in Redis. */
export type { RedisDriver, Script } from "./driver.ts";
export {
  CONNECT_TIMEOUT_MS,
  type ConnectedClient,
  connect,
  driverFor,
  type NodeRedisClient,
} from "./node-redis.ts";
export { type RedisStoreOptions, redisStore } from "./redis-store.ts";
