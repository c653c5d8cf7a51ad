/**
 * One primary of a Cluster dies, or freezes and comes back, under load. Promise: no wrong "missing",
 * every call in its time, the other shards notice nothing, whole again two node timeouts and 1 s later.
 * What was acknowledged and lost is printed.
 */
import type { SessionStore } from "latchkey";
import { redisStore } from "latchkey/redis";
import { expect, test } from "vitest";
import { addReplicas } from "../support/cluster-replicas.ts";
import { failOver } from "../support/failover.ts";
import { startLoad, tally } from "../support/load.ts";
import { startCluster } from "../support/redis-cluster.ts";
import { respOnce } from "../support/resp.ts";
import { cases } from "../support/rounds.ts";
import { login } from "../support/stores.ts";
import { until } from "../support/until.ts";

const NODE_TIMEOUT_MS = 1_000;
const RECOVERY_LIMIT_MS = 2 * (2 * NODE_TIMEOUT_MS + 1_000);
const SETTINGS = [
  ...["--cluster-node-timeout", String(NODE_TIMEOUT_MS)],
  ...["--cluster-require-full-coverage", "no"],
];

const CASES = [
  ["redis", "SIGKILL"],
  ["ioredis", "SIGSTOP"],
  ["ioredis", "SIGKILL"],
  ["redis", "SIGSTOP"],
] as const;

test.each(cases(CASES, 2))("%s, %s", async (library, signal) => {
  const cluster = await startCluster(3, SETTINGS);
  const { replicas, stop } = await addReplicas(cluster, SETTINGS);
  const store = await redisStore({ url: cluster.url, library });
  const [primary, ...others] = cluster.nodes;
  const elsewhere = await sessionOn(store, others[0]?.port ?? 0);
  const bystander = startLoad(100, async () => (await store.load(elsewhere)).outcome);
  const account = await failOver(
    store,
    async () => {
      for (const { port } of cluster.nodes) {
        await until(async () => Number(await respOnce(port, "WAIT", "1", "1000")) === 1);
      }
    },
    async () => primary?.kill(signal),
  );
  await bystander.stop();
  const calm = tally(bystander.answers);
  console.log(
    `${library}, Cluster, ${signal}: ${account.line}; other shard ${JSON.stringify(calm)}`,
  );
  expect(account.gapMs).toBeLessThan(RECOVERY_LIMIT_MS);
  expect(Object.keys(calm)).toEqual(["found"]);
  expect(String(await respOnce(replicas[0]?.port ?? 0, "INFO", "replication"))).toContain(
    "role:master",
  );
  if (signal === "SIGSTOP") {
    await primary?.kill("SIGCONT");
    const sids = await Promise.all(Array.from({ length: 50 }, (_, i) => login(store, `late${i}`)));
    for (const sid of sids) expect(await store.load(sid)).toMatchObject({ outcome: "found" });
  }
  await store.close();
  await stop();
  await cluster.stop();
});

/** A session that this node serves. */
async function sessionOn(store: SessionStore, port: number): ReturnType<typeof login> {
  for (let i = 0; ; i++) {
    const sid = await login(store, `elsewhere${i}`);
    const isThere = await respOnce(port, "EXISTS", `session:${sid}`).catch(() => 0);
    if (isThere === 1) return sid;
  }
}
