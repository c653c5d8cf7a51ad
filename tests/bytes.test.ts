/**
 * Bytes in Redis per session: what `used_memory` grows by, divided. Everything counts: strings,
 * records, indexes, deadlines, hash tables. There is no barrier, because nobody was revoked.
 *
 * Hash tables double, so the bytes depend on how full they are. 12,500 sessions are an eighth of
 * 100,000, and fill the tables exactly as far: literal 92 %, split 84 %, connect-redis 76 %. A tenth
 * fills them less, and each session costs 5 to 11 bytes more. The count least in our favour is just
 * above 109,000, where literal's tables have doubled and connect-redis' have not: there the two cost
 * the same (0.94 and 1.00 instead of 0.87 and 0.92).
 */
import type { Life } from "latchkey";
import { redisStore } from "latchkey/redis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectRedis } from "./support/connect-redis.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { connectResp, type Resp } from "./support/resp.ts";
import { FIXED, HASH, HOUR, newSession } from "./support/stores.ts";
import { until } from "./support/until.ts";

const COUNT = process.env["LATCHKEY_TEST_LONG"] === "1" ? 100_000 : 12_500;
const PER_USER = 5;
const ABREAST = 200;
const SLIDING: Life = { idleTimeoutMs: HOUR / 2, absoluteTimeoutMs: 12 * HOUR };
const LONG_TEST_MS = 15 * 60_000;

let redis: TestRedis;
let resp: Resp;

beforeAll(async () => {
  // DEBUG says whether a hash table is still being doubled.
  redis = await startRedis({ args: ["--enable-debug-command", "local"] });
  resp = await connectResp(redis.port);
});

afterAll(async () => {
  resp.close();
  await redis.stop();
});

// The peer keeps JSON that repeats the cookie's settings, and cannot say which sessions a user has:
// that list is 61 of our bytes. It is at its smallest where its cookie has no `maxAge`; with one it
// keeps what ours does, a session that ends in an hour.
test(
  "a session costs less than one of connect-redis; with secret and idle timeout, less than two",
  async () => {
    const literal = await bytesEach(() => latchkey(FIXED));
    const split = await bytesEach(() => latchkey(SLIDING, HASH));
    const hour = await bytesEach(() => connectRedis(redis.url, { maxAge: HOUR }));
    const least = await bytesEach(() => connectRedis(redis.url));
    const ratios = [literal / hour, split / hour, literal / least, split / least];
    const [literalToHour = 0, splitToHour = 0, literalToLeast = 0, splitToLeast = 0] = ratios;
    console.log(
      `${COUNT} sessions, bytes each: literal ${literal.toFixed(1)}, split ${split.toFixed(1)}\n` +
        `connect-redis, an hour ${hour.toFixed(1)}: ` +
        `literal ${literalToHour.toFixed(3)} of it, split ${splitToHour.toFixed(3)}\n` +
        `connect-redis, least ${least.toFixed(1)}: ` +
        `literal ${literalToLeast.toFixed(3)} of it, split ${splitToLeast.toFixed(3)}`,
    );
    expect(literalToHour).toBeLessThanOrEqual(0.9);
    expect(literalToLeast).toBeLessThanOrEqual(0.95);
    expect(splitToHour).toBeLessThanOrEqual(1.8);
    expect(splitToLeast).toBeLessThanOrEqual(1.9);
  },
  LONG_TEST_MS,
);

interface Logins {
  logIn(user: string): Promise<unknown>;
  close(): unknown;
}

async function latchkey(life: Life, secretHash?: string): Promise<Logins> {
  const store = await redisStore({ url: redis.url, callTimeout: "60s" });
  return {
    async logIn(user) {
      const session = newSession(store.mintId(user), { user, life, secretHash });
      expect((await store.create(session)).outcome).toBe("created");
    },
    close: () => store.close(),
  };
}

async function bytesEach(open: () => Promise<Logins>): Promise<number> {
  const first = await open();
  // The scripts stay in Redis, whatever is flushed: they are no part of a session.
  await first.logIn("nobody");
  await first.close();
  await resp.command("FLUSHALL");
  const before = await usedMemory();
  const logins = await open();
  for (let from = 0; from < COUNT; from += ABREAST) {
    const users = Array.from({ length: Math.min(ABREAST, COUNT - from) }, (_, i) => {
      return `user${10_000 + Math.floor((from + i) / PER_USER)}`;
    });
    await Promise.all(users.map((user) => logins.logIn(user)));
  }
  await logins.close();
  const after = await usedMemory();
  const keys = Number(await resp.command("DBSIZE"));
  expect(keys).toBeGreaterThanOrEqual(COUNT);
  return (after - before) / COUNT;
}

/** Once the buffers of other connections are gone, and no hash table is there twice. */
async function usedMemory(): Promise<number> {
  const info = async (): Promise<string> => String(await resp.command("INFO"));
  await until(async () => /^connected_clients:1\r$/m.test(await info()));
  await until(async () => !String(await resp.command("DEBUG", "HTSTATS", "0")).includes("rehash"));
  return Number(/^used_memory:(\d+)/m.exec(await info())?.[1]);
}
