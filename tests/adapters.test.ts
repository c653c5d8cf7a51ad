/** The contract of adapters, on each framework, with sessions in memory and in Redis. */
import { memoryStore } from "latchkey/memory";
import { redisStore } from "latchkey/redis";
import { adapterConformance } from "latchkey/testing";
import { afterAll, beforeAll, describe, test } from "vitest";
import { ADAPTERS } from "./support/adapter-apps.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { freshPrefix, PATIENT } from "./support/stores.ts";

let redis: TestRedis;

beforeAll(async () => {
  redis = await startRedis();
});

afterAll(async () => {
  await redis?.stop();
});

const STORES = {
  memory: async () => memoryStore(),
  Redis: () => redisStore({ url: redis.url, prefix: freshPrefix(), callTimeout: PATIENT }),
};

for (const [name, serve] of Object.entries(ADAPTERS)) {
  for (const [kind, openStore] of Object.entries(STORES)) {
    // What rejects out of a fetch handler is answered by whoever called it.
    const seesErrors = name !== "fetch";
    adapterConformance({ describe, test }, `${name} on ${kind}`, { serve, openStore, seesErrors });
  }
}
