/** The check alone, ns per operation, few sessions and many. */
import { freemem } from "node:os";
import { join } from "node:path";
import { startChild } from "../lib/child.js";
import { startRedis } from "../lib/redis.js";
import { rotated, spread } from "../lib/stats.js";

/** Of a million sessions: here, in the texts, and in Redis. */
const BYTES_PER_SESSION = 3_000;

export async function measureCheck({ isQuick, say }) {
  const sizes = isQuick ? [1_000, 50_000] : [1_000, 1_000_000];
  const settings = isQuick
    ? { rounds: 5, slotMs: 60, warmUpMs: 150 }
    : { rounds: 11, slotMs: 200, warmUpMs: 500 };
  const results = [];
  for (const count of sizes) {
    if (freemem() < 2 * count * BYTES_PER_SESSION) {
      say(`check: not enough memory for ${count} sessions`);
      continue;
    }
    say(`check: ${count} sessions`);
    try {
      results.push(...(await measureSize(count, settings)));
    } catch (error) {
      // The machine may stop for longer than the near cache trusts a silent Redis; then there are
      // no figures for this many.
      say(`check: ${error.message}`);
    }
  }
  return { settings, results };
}

async function measureSize(count, { rounds, slotMs, warmUpMs }) {
  const redis = await startRedis();
  const execArgv = ["--expose-gc", "--max-old-space-size=6144"];
  const child = startChild(join(import.meta.dirname, "child.js"), {
    execArgv,
    name: `check ${count}`,
  });
  try {
    const { entries } = await child.ask("fill", { redisUrl: redis.url, count });
    if (entries !== count) throw new Error(`${entries} of ${count} sessions are in memory`);
    const names = await child.ask("names");
    for (const name of names) await child.ask("measure", name, warmUpMs);
    const slots = new Map(names.map((name) => [name, []]));
    const { misses } = await child.ask("stats");
    for (const order of rotated(names, rounds)) {
      for (const name of order) slots.get(name).push(await child.ask("measure", name, slotMs));
    }
    const missed = (await child.ask("stats")).misses - misses;
    if (missed > 0) throw new Error(`${missed} checks were not answered from memory`);
    return names.map((name) => summary(name, count, slots));
  } finally {
    await child.stop();
    await redis.stop();
  }
}

function summary(name, sessions, slots) {
  const of = (field, slot = name) => slots.get(slot).map((it) => it[field]);
  const reference = of("cpuNanos", "fast-jwt");
  return {
    ...{ name, sessions, nanos: spread(of("nanos")), cpuNanos: spread(of("cpuNanos")) },
    /** How often it goes into fast-jwt without cache, round by round, in CPU time. */
    intoFastJwt: spread(of("cpuNanos").map((own, i) => reference[i] / own)),
  };
}

export function intoFastJwt(results, name, sessions) {
  return results.find((it) => it.name === name && it.sessions === sessions)?.intoFastJwt.median;
}
