/** A mix of reads, logins and logouts while a primary is lost, and the account of it afterwards. */
import type { SessionId, SessionStore } from "latchkey";
import { expect } from "vitest";
import { slowest, startLoad, tally } from "./load.ts";
import { HASH, HOUR, login, newSession } from "./stores.ts";
import { until } from "./until.ts";

const PER_SECOND = 200;
const USERS = 60;
const ANSWER_LIMIT_MS = 2 * 250;

export interface Account {
  /** From the fault to the first moment at which every user's session was read again. */
  readonly gapMs: number;
  readonly lostLogins: number;
  readonly revivedLogouts: number;
  readonly line: string;
}

/**
 * Promises: a session that all replicas have is never "missing", every call answers in time. Writes
 * that were acknowledged and lost are counted.
 *
 * @param settled resolves once the replicas have everything
 */
export async function failOver(
  store: SessionStore,
  settled: () => Promise<void>,
  fault: () => Promise<void>,
): Promise<Account> {
  const users = Array.from({ length: USERS }, (_, i) => `user${i}`);
  const sids = await Promise.all(users.map((user) => login(store, user, HOUR, HASH)));
  await settled();
  const created: SessionId[] = [];
  const revoked: SessionId[] = [];
  const load = startLoad(PER_SECOND, async (i) => {
    const user = users[i % USERS] ?? "";
    if (i % 4 === 1) {
      const sid = store.mintId(user);
      const { outcome } = await store.create(newSession(sid, { user, secretHash: HASH }));
      if (outcome === "created") created.push(sid);
      return outcome;
    }
    const old = i % 8 === 2 ? created.shift() : undefined;
    if (old === undefined) return (await store.load(sids[i % USERS] ?? ("" as SessionId))).outcome;
    const outcome = await store.revoke(old);
    if (outcome === "revoked") revoked.push(old);
    return outcome;
  });
  await until(() => load.answers.length > PER_SECOND);
  await fault();
  const start = performance.now();
  await until(async () =>
    (await Promise.allSettled(sids.map((sid) => store.load(sid)))).every(isFound),
  );
  const gapMs = performance.now() - start;
  const enough = load.answers.length + PER_SECOND;
  await until(() => load.answers.length > enough);
  await load.stop();

  const results = tally(load.answers);
  expect(results["missing"]).toBeUndefined();
  expect(results["corrupt"]).toBeUndefined();
  expect(slowest(load.answers)).toBeLessThan(ANSWER_LIMIT_MS);
  const lostLogins = await count(
    created,
    async (sid) => (await store.load(sid)).outcome === "missing",
  );
  const revivedLogouts = await count(
    revoked,
    async (sid) => (await store.load(sid)).outcome === "found",
  );
  const line =
    `${JSON.stringify(results)}, slowest ${slowest(load.answers).toFixed()} ms, whole again after ` +
    `${gapMs.toFixed()} ms; lost ${lostLogins} of ${created.length} logins, ` +
    `${revivedLogouts} of ${revoked.length} logouts`;
  return { gapMs, lostLogins, revivedLogouts, line };
}

function isFound(answer: PromiseSettledResult<{ readonly outcome: string }>): boolean {
  return answer.status === "fulfilled" && answer.value.outcome === "found";
}

async function count(
  sids: readonly SessionId[],
  holds: (sid: SessionId) => Promise<boolean>,
): Promise<number> {
  let found = 0;
  for (const sid of sids) if (await holds(sid)) found += 1;
  return found;
}
