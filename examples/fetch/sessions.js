import { createSessions } from "latchkey";
import { redisStore } from "latchkey/redis";

const store = await redisStore({ url: process.env.REDIS_URL ?? "redis://127.0.0.1:6379" });
export const sessions = createSessions({ store });
