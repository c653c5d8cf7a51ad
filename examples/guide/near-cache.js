import { createSessions } from "latchkey";
import { nearCache } from "latchkey/near-cache";
import { redisStore } from "latchkey/redis";

const store = nearCache(
  await redisStore({ url: process.env.REDIS_URL ?? "redis://127.0.0.1:6379" }),
);
export const sessions = createSessions({ store });

// When the process ends.
await store.close();
