/**
 * From the acknowledgement of a revoke in one process until another one refuses the session, which it
 * had in memory. The clock of `hrtime` is one for all processes of a machine.
 */
import { join } from "node:path";
import { redisStore } from "latchkey/redis";
import { startChild } from "../lib/child.js";
import { logIn, sessionsOn } from "../lib/logins.js";
import { startRedis } from "../lib/redis.js";
import { quantile, round } from "../lib/stats.js";

export async function measureRevocation({ isQuick, say }) {
  const count = isQuick ? 100 : 1_000;
  const redis = await startRedis();
  const store = await redisStore({ url: redis.url });
  const child = startChild(join(import.meta.dirname, "child.js"), { name: "revocation" });
  try {
    await child.ask("start", redis.url);
    const results = [];
    for (const load of ["idle", "checks without a pause"]) {
      say(`revocation: ${count}, ${load}`);
      const delays = [];
      for (let i = 0; i < count; i++) {
        delays.push(await delayOf(sessionsOn(store), child, `u${i}`, load !== "idle"));
      }
      results.push({ load, revokes: count, ...summary(delays) });
    }
    return { results };
  } finally {
    await child.stop();
    await store.close();
    await redis.stop();
  }
}

/** In ms; below 0 where the push was there before the acknowledgement. */
async function delayOf(sessions, child, user, isLoaded) {
  const token = await logIn(sessions, user);
  await child.ask("watch", token, isLoaded);
  const outcome = await sessions.revoke(token.split(".")[0]);
  const acknowledged = process.hrtime.bigint();
  if (outcome !== "revoked") throw new Error(`the session of ${user} was ${outcome}`);
  return Number(BigInt(await child.ask("refusedAt")) - acknowledged) / 1e6;
}

function summary(delays) {
  const at = (q) => round(quantile(delays, q));
  return { p50: at(0.5), p99: at(0.99), max: at(1), unit: "ms" };
}
