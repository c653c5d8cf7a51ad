/**
 * The near cache on a real Redis and a real Cluster: another server changes things behind its back.
 * How fast it hears of it is a promise: tests/faults/near-cache.test.ts.
 */
import type { SessionId } from "latchkey";
import { nearCache } from "latchkey/near-cache";
import { redisStore } from "latchkey/redis";
import { storeConformance } from "latchkey/testing";
import { afterEach, describe, expect, test } from "vitest";
import { openPair, type Pair, type There } from "./support/near-pair.ts";
import { keyspace } from "./support/redis-keyspace.ts";
import type { Resp } from "./support/resp.ts";
import { exchange } from "./support/sessions.ts";
import { freshPrefix, onAny, PATIENT, useServers } from "./support/stores.ts";
import { until } from "./support/until.ts";

const CHECKS = 10_000;

const servers = useServers();
const opened: Pair[] = [];

afterEach(async () => {
  for (const { close } of opened.splice(0)) await close();
});

describe.each(["one Redis", "Cluster"] as const)("on %s", (where) => {
  const nodes = (): readonly Resp[] =>
    where === "Cluster" ? servers().clusterResps : [servers().resp];
  const url = (): string => (where === "Cluster" ? servers().cluster.url : servers().redis.url);
  const pair = async (): Promise<Pair> => {
    const one = await openPair(url());
    opened.push(one);
    return one;
  };

  test("a check of a known token costs no command", async () => {
    const { here, there } = await pair();
    const logins = await Promise.all([1, 2, 3].map((i) => there.logIn(`user${i}`)));
    for (const { token } of logins) await here.know(token);
    const before = here.near.stats();
    for (const node of nodes()) await node.command("CONFIG", "RESETSTAT");
    for (let i = 0; i < CHECKS; i++) {
      const answer = await here.sessions.check(logins[i % 3]?.token ?? "");
      expect(answer.status).toBe("valid");
    }
    const after = here.near.stats();
    const hits = after.hits - before.hits;
    // On a busy machine a heartbeat may be late; then the store is asked, and only then.
    expect(await scriptCalls(nodes())).toBe(CHECKS - hits);
    expect(hits).toBeGreaterThan(CHECKS / 2);
    expect(after).toMatchObject({ entries: 3, problem: undefined });
  });

  test("fresh: true passes it by", async () => {
    const { here, there } = await pair();
    const { token } = await there.logIn("ada");
    await here.know(token);
    const { hits } = here.near.stats();
    expect((await here.sessions.check(token, { fresh: true })).status).toBe("valid");
    const session = await here.sessions.open(exchange({ "x-session-id": token }), { fresh: true });
    expect(session.user).toBe("ada");
    expect(here.near.stats().hits).toBe(hits);
  });

  test.each<[string, (there: There, sid: SessionId) => Promise<unknown>]>([
    ["a revoke", ({ sessions }, sid) => sessions.revoke(sid)],
    ["a revoke of all", ({ sessions }) => sessions.revokeUser("ada")],
  ])("%s on another server ends it here", async (_name, end) => {
    const { here, there } = await pair();
    const { token, sid } = await there.logIn("ada");
    await here.know(token);
    await end(there, sid);
    await until(() => here.near.recall(token) === undefined);
    expect((await here.sessions.check(token)).status).toBe("invalid");
  });

  // The list is cleared away later, and what it does not name never is: the barrier alone must do.
  test("a revoke of all ends also what no list knows", async () => {
    const { here, there, prefix } = await pair();
    const { token } = await there.logIn("ada");
    await here.know(token);
    await onAny(nodes(), "DEL", `{${prefix}user:ada}:sessions`);
    await there.sessions.revokeUser("ada");
    await until(() => here.near.recall(token) === undefined);
    expect((await here.sessions.check(token)).status).toBe("invalid");
  });

  test("an update on another server is seen here", async () => {
    const { here, there } = await pair();
    const { token } = await there.logIn("ada");
    await here.know(token);
    const session = await there.sessions.open(exchange({ "x-session-id": token }));
    session.data["cart"] = [1];
    await session.commit();
    await until(() => here.near.recall(token) === undefined);
    const answer = await here.sessions.check(token);
    expect(answer.status === "valid" && answer.record.data.get("cart")).toBe("[1]");
  });

  test("a rotated token is forgotten here, served through its grace, and not known in it", async () => {
    const { here, there, prefix } = await pair();
    const { token } = await there.logIn("ada");
    await here.know(token);
    const session = await there.sessions.open(exchange({ "x-session-id": token }));
    const rotated = await session.rotate();
    await until(() => here.near.recall(token) === undefined);
    expect((await here.sessions.check(token)).status).toBe("valid");
    expect(here.near.recall(token)).toBeUndefined();
    await here.know(rotated?.token ?? "");
    await keyspace(nodes(), prefix).elapse(10_000);
    expect((await here.sessions.check(token)).status).toBe("invalid");
  });

  test("the loss of the link is noticed, and FLUSHALL is heard", async () => {
    const { here, there } = await pair();
    const { token } = await there.logIn("ada");
    await here.know(token);
    for (const node of nodes()) await node.command("CLIENT", "KILL", "TYPE", "normal");
    await until(() => (here.near.stats().voided["lost"] ?? 0) > 0);
    await here.know(token);
    for (const node of nodes()) await node.command("FLUSHALL");
    await until(() => here.near.recall(token) === undefined);
    expect((await here.sessions.check(token)).status).toBe("invalid");
  });

  test("what the server refuses is told", async () => {
    const { here } = await pair();
    await until(() => here.near.stats().problem === undefined);
    expect(here.near.stats()).toMatchObject({
      live: where === "Cluster" ? 3 : 1,
      sources: where === "Cluster" ? 3 : 1,
    });
  });
});

storeConformance({ describe, test }, "near cache", async () => {
  const prefix = freshPrefix();
  const { redis, resp } = servers();
  const options = { url: redis.url, prefix, callTimeout: PATIENT } as const;
  const store = nearCache(await redisStore(options));
  const other = await redisStore(options);
  const { elapse } = keyspace([resp], prefix);
  const close = async (): Promise<void> => {
    await Promise.all([store.close(), other.close()]);
  };
  return { store, other, elapse, close };
});

/** What the store has asked since RESETSTAT. */
async function scriptCalls(nodes: readonly Resp[]): Promise<number> {
  const stats = await Promise.all(nodes.map((node) => node.command("INFO", "commandstats")));
  const calls = stats.map((text) => /cmdstat_evalsha:calls=(\d+)/.exec(String(text))?.[1] ?? 0);
  return calls.map(Number).reduce((sum, count) => sum + count, 0);
}
