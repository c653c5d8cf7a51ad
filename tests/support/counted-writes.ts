/** A load whose writes can be counted afterwards: each has a key of its own, to be one if applied once. */
import { createHash } from "node:crypto";
import type { SessionId } from "latchkey";
import { type RedisDriver, redisStore, type Script } from "latchkey/redis";
import { expect } from "vitest";
import { type Answered, startLoad } from "./load.ts";
import type { Resp } from "./resp.ts";
import { HASH, HOUR, login } from "./stores.ts";
import { until } from "./until.ts";

const lua = "#!lua\nreturn {KEYS[1], redis.call('INCR', KEYS[1])}";
export const INCR: Script = { lua, sha1: createHash("sha1").update(lua).digest("hex") };

const PER_SECOND = 100;

export interface Counted {
  readonly answers: readonly Answered[];
  /** A read, as the load has them. */
  read(): Promise<string>;
  /** Ends it, once it has been answered for another while. */
  stop(): Promise<void>;
  /**
   * What became of the writes that were not acknowledged. Expects that none was applied twice, and each
   * that was acknowledged was applied.
   */
  unknown(resp: Resp): Promise<{ readonly applied: number; readonly not: number }>;
}

/** Reads of a session and writes in turn, a hundred a second. */
export async function startCounted(driver: RedisDriver): Promise<Counted> {
  const store = await redisStore({ driver });
  const sid: SessionId = await login(store, "ada", HOUR, HASH);
  const read = async (): Promise<string> => (await store.load(sid)).outcome;
  const acknowledged = new Map<string, boolean>();
  const write = async (key: string): Promise<string> => {
    acknowledged.set(key, false);
    expect(await driver.script(INCR, [key], [])).toEqual([1]);
    acknowledged.set(key, true);
    return "written";
  };
  const load = startLoad(PER_SECOND, (i) => (i % 2 === 0 ? read() : write(`counted:${i}`)));
  return {
    ...{ answers: load.answers, read },
    async stop() {
      const enough = load.answers.length + PER_SECOND / 2;
      await until(() => load.answers.length > enough);
      await load.stop();
    },
    async unknown(resp) {
      let applied = 0;
      let not = 0;
      for (const [key, isAcknowledged] of acknowledged) {
        const times = Number((await resp.command("GET", key)) ?? 0);
        expect(times).toBeLessThanOrEqual(1);
        if (isAcknowledged) expect(times).toBe(1);
        else if (times === 1) applied += 1;
        else not += 1;
      }
      return { applied, not };
    },
  };
}
