/** Bytes of a session: in Redis, and in the heap of a process that remembers it. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { RedisStore } from "connect-redis";
import { redisStore } from "latchkey/redis";
import { startChild } from "../lib/child.js";
import { logIn, sessionsOn } from "../lib/logins.js";
import { startRedis } from "../lib/redis.js";
import { inParallel, round } from "../lib/stats.js";

const IN_REDIS = 20_000;
const IN_HEAP = 100_000;
const WIDTH = 32;

export async function measureMemory({ isQuick, say }) {
  const [stored, kept] = isQuick ? [5_000, 20_000] : [IN_REDIS, IN_HEAP];
  say(`memory: ${stored} sessions in Redis, ${kept} in a heap`);
  const results = [
    await inRedis("latchkey, layout split", stored, ours({})),
    await inRedis("latchkey, layout literal", stored, ours({ layout: "literal" })),
    await inRedis("express-session, connect-redis", stored, theirs),
    await inHeap(kept),
  ];
  return { results };
}

async function inRedis(name, count, open) {
  const redis = await startRedis();
  try {
    const { create, close } = await open(redis);
    await create("first"); // What is there once for all is none of a session's.
    const before = await redis.usedMemory();
    await inParallel(count, WIDTH, (i) => create(`u${i}`));
    await close();
    const bytes = ((await redis.usedMemory()) - before) / count;
    return { name, where: "Redis", sessions: count, bytes: round(bytes, 4) };
  } finally {
    await redis.stop();
  }
}

function ours(options) {
  return async ({ url }) => {
    const store = await redisStore({ url });
    const sessions = sessionsOn(store, options);
    return { create: (user) => logIn(sessions, user), close: () => store.close() };
  };
}

/** What express-session 1.19 gives its store, with ids of the length that it makes. */
async function theirs({ control }) {
  const store = new RedisStore({ client: control });
  const cookie = { originalMaxAge: null, expires: null, httpOnly: true, path: "/" };
  return {
    create: (user) => store.set(randomBytes(24).toString("base64url"), { cookie, user }),
    close: () => {},
  };
}

async function inHeap(count) {
  const redis = await startRedis();
  const execArgv = ["--expose-gc", "--max-old-space-size=4096"];
  const module = join(import.meta.dirname, "../check/child.js");
  const child = startChild(module, { execArgv, name: "heap" });
  try {
    const { heapPerEntry } = await child.ask("fill", { redisUrl: redis.url, count });
    const bytes = round(heapPerEntry, 4);
    return { name: "latchkey, near cache", where: "heap", sessions: count, bytes };
  } finally {
    await child.stop();
    await redis.stop();
  }
}
