/**
 * What a check and a login cost when there are more sessions: a Redis for each size, all standing at
 * once, the same hot sessions in front. And how seldom a near cache asks Redis, over a long run.
 */
import { redisStore } from "latchkey/redis";
import { Contestant } from "../http/contestant.js";
import { logIn, sessionsOn } from "../lib/logins.js";
import { startRedis } from "../lib/redis.js";
import { inParallel, rotated, spread } from "../lib/stats.js";

const NAMES = ["latchkey (near)", "latchkey"];
const FULL_RUN = { warmUpMs: 1_500, leadInMs: 150, slotMs: 500, rounds: 9, logins: 300 };
const QUICK_RUN = { warmUpMs: 300, leadInMs: 50, slotMs: 150, rounds: 3, logins: 100 };
/** Requests with each session in the long run. */
const TIMES = 100;

export async function measureGrowth({ isQuick, isLong, connections, say }) {
  const hot = isQuick ? 500 : 10_000;
  const sizes = isQuick ? [1_000, 10_000] : [1_000, 100_000, ...(isLong ? [1_000_000] : [])];
  const settings = { ...(isQuick ? QUICK_RUN : FULL_RUN), connections };
  const standing = [];
  try {
    for (const size of sizes) {
      say(`growth: ${size} sessions`);
      standing.push(...(await stand(size, Math.min(hot, size), settings)));
    }
    for (const order of rotated(standing, settings.rounds)) {
      for (const { contestant } of order) {
        await contestant.slot(settings);
        await contestant.loginSlot(settings.logins);
      }
    }
    const results = standing.map(({ size, hot: mine, contestant }) => ({
      ...{ name: contestant.name, sessions: size, hot: mine },
      check: contestant.summary(),
      login: contestant.loginSummary(),
    }));
    const longRun = await longRunOf(standing, say);
    return { settings: { ...settings, hot }, results, longRun };
  } finally {
    for (const { contestant } of standing) await contestant.stop();
    for (const redis of new Set(standing.map(({ contestant }) => contestant.redis)))
      await redis.stop();
  }
}

async function stand(size, hot, settings) {
  const redis = await startRedis();
  const store = await redisStore({ url: redis.url });
  const sessions = sessionsOn(store);
  // The hot ones are logged in over HTTP, once by each contestant.
  const others = Math.max(0, size - hot * NAMES.length);
  await inParallel(others, 64, (i) => logIn(sessions, `other${i}`));
  await store.close();
  const standing = [];
  for (const name of NAMES) {
    const contestant = new Contestant({ framework: "node:http", name, redis });
    await contestant.start({ ...settings, sessions: hot });
    // Each of them is in memory by then.
    await contestant.longRun(3);
    standing.push({ size, hot, contestant });
  }
  return standing;
}

/** With the most hot sessions: first from nothing, so the first request of each session counts. */
async function longRunOf(standing, say) {
  const { hot, contestant } = standing.findLast((it) => it.contestant.name === NAMES[0]);
  say(`growth: ${TIMES} requests with each of ${hot} sessions`);
  const cold = new Contestant({ framework: "node:http", name: NAMES[0], redis: contestant.redis });
  try {
    await cold.start({ sessions: hot, warmUpMs: 0, connections: 32 });
    const { count, commands, byName, cpuMicros } = await cold.longRun(TIMES);
    return {
      sessions: hot,
      requests: count,
      commands: spread([commands]).median,
      byName,
      cpuMicros,
    };
  } finally {
    await cold.stop();
  }
}
