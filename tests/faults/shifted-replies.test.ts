/**
 * Bytes on the wire are lost, doubled, or mixed with garbage, while sessions of many users are read.
 * Promise: never another user's session, the connection is dropped, closed and not only forgotten, and it
 * serves again at once.
 */
import { redisStore } from "latchkey/redis";
import { expect, test } from "vitest";
import { type Proxied, startProxied } from "../support/proxied.ts";
import { cases, Dice, rounds } from "../support/rounds.ts";
import { HASH, HOUR, login } from "../support/stores.ts";
import { type Client, ioredis, nodeRedis } from "../support/topologies.ts";
import { until } from "../support/until.ts";

const USERS = 40;
const ROUNDS = 120;
const RECOVERY_LIMIT_MS = 2 * 1_000;

const MANGLES: Record<string, (chunk: Buffer) => Buffer | undefined> = {
  lost: () => undefined,
  doubled: (chunk) => Buffer.concat([chunk, chunk]),
  "a reply too many": (chunk) => Buffer.concat([Buffer.from("$5\r\nhello\r\n"), chunk]),
  "a byte too many": (chunk) => Buffer.concat([Buffer.from("x"), chunk]),
  "a byte too few": (chunk) => chunk.subarray(1),
  "all bytes changed": (chunk) => Buffer.from(chunk.map((byte) => byte ^ 0x20)),
};

const CASES = [
  ["redis", "single", "by URL"],
  ["ioredis", "cluster", "by URL"],
  ["redis", "cluster", "client brought"],
  ["ioredis", "single", "client brought"],
  ["ioredis", "single", "by URL"],
  ["redis", "sentinel", "by URL"],
  ["ioredis", "sentinel", "client brought"],
  ["redis", "cluster", "by URL"],
  ["redis", "single", "client brought"],
  ["ioredis", "cluster", "client brought"],
  ["redis", "sentinel", "client brought"],
  ["ioredis", "sentinel", "by URL"],
] as const;

test.each(cases(CASES, 5))("%s, %s, %s", async (library, topology, way) => {
  const dice = new Dice();
  const place = await startProxied(topology);
  const own = way === "by URL" ? undefined : await bring(library, place);
  const store = await redisStore(own ? { client: own.client } : { url: place.url, library });
  const users = Array.from({ length: USERS }, (_, i) => `user${i}`);
  const sids = await Promise.all(users.map((user) => login(store, user, HOUR, HASH)));
  const tally = { right: 0, refused: 0 };
  let slowest = 0;

  for (let round = 0; round < rounds(ROUNDS); round++) {
    const name = dice.pick(Object.keys(MANGLES));
    place.proxy.mangle = onceOf(MANGLES[name], place);
    const answers = await Promise.allSettled(sids.map((sid) => store.load(sid)));
    for (const [i, answer] of answers.entries()) {
      if (answer.status === "rejected") {
        expect(answer.reason, name).toMatchObject({ code: "store-unavailable" });
        tally.refused += 1;
      } else {
        const mine = { outcome: "found", record: { sid: sids[i], user: users[i] } };
        expect(answer.value, `${name}, seed ${dice.seed}`).toMatchObject(mine);
        tally.right += 1;
      }
    }
    place.proxy.mangle = undefined;
    const start = performance.now();
    await until(async () => {
      const again = await Promise.allSettled(sids.map((sid) => store.load(sid)));
      return again.every(({ status }) => status === "fulfilled");
    });
    slowest = Math.max(slowest, performance.now() - start);
  }
  console.log(
    `${library}, ${topology}, ${way}: ${tally.right} right, ${tally.refused} refused, none wrong; ` +
      `${place.proxy.opened} connections, all well again in ${slowest.toFixed()} ms`,
  );
  expect(tally.refused).toBeGreaterThan(0);
  if (way === "by URL") expect(slowest).toBeLessThan(RECOVERY_LIMIT_MS);
  // The Sentinels and the Cluster's own questions go through the proxy as well.
  if (way === "by URL" && topology === "single") expect(place.proxy.open).toBe(1);
  await store.close();
  await own?.end();
  await place.stop();
});

function bring(library: string, place: Proxied): Promise<Client> {
  return library === "redis" ? nodeRedis(place) : ioredis(place);
}

/** Strikes the first chunk of a script's replies, and leaves what follows as it is. */
function onceOf(
  mangle: ((chunk: Buffer) => Buffer | undefined) | undefined,
  place: Proxied,
): (chunk: Buffer) => Buffer | undefined {
  return (chunk) => {
    if (!chunk.includes("session:")) return chunk;
    place.proxy.mangle = undefined;
    return mangle?.(chunk);
  };
}
