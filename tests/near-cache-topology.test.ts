/** The near cache follows its store: to a new primary, and with a slot from one to another. */
import { expect, test } from "vitest";
import { addReplicas } from "./support/cluster-replicas.ts";
import { openPair, type Pair } from "./support/near-pair.ts";
import { startCluster } from "./support/redis-cluster.ts";
import { startSentinel } from "./support/redis-sentinel.ts";
import type { TestRedis } from "./support/redis-server.ts";
import { connectResp, type Resp, respOnce } from "./support/resp.ts";
import { until } from "./support/until.ts";

const DOWN_AFTER_MS = 1_000;
const SETTINGS = ["--cluster-node-timeout", String(DOWN_AFTER_MS)];

interface Place {
  readonly url: string;
  readonly primaries: readonly TestRedis[];
  readonly replicas: number;
  stop(): Promise<void>;
}

async function sentinel(): Promise<Place> {
  const { url, nodes, stop } = await startSentinel({ replicas: 1, downAfterMs: DOWN_AFTER_MS });
  return { url, primaries: nodes.slice(0, 1), replicas: 1, stop };
}

async function cluster(): Promise<Place> {
  const { url, nodes, stop, ...more } = await startCluster(3, SETTINGS);
  const replicas = await addReplicas({ url, nodes, stop, ...more }, SETTINGS);
  return {
    ...{ url, primaries: nodes, replicas: 1 },
    async stop() {
      await replicas.stop();
      await stop();
    },
  };
}

// A cache that went on listening where it began would hear nothing of a revoke at the new primary.
test.each([
  ["Sentinel", sentinel],
  ["Cluster", cluster],
] as const)("%s: it listens at the new primary", async (_name, start) => {
  const place = await start();
  const pair = await openPair(place.url);
  const { here, there } = pair;
  const logins = await Promise.all([..."abcdef"].map((user) => there.logIn(user)));
  for (const { token } of logins) await here.know(token);
  for (const { port } of place.primaries) {
    const waited = (): Promise<unknown> => respOnce(port, "WAIT", String(place.replicas), "1000");
    await until(async () => Number(await waited()) === place.replicas);
  }
  await place.primaries[0]?.kill("SIGKILL");
  // Known again: by a connection to the new one.
  for (const { token } of logins) await here.know(token);
  await endEach(pair, logins);
  expect(here.near.stats().voided["topology"]).toBeGreaterThan(1);
  await pair.close();
  await place.stop();
});

// Without the word of a redirect it was kept, and a revoke at the other node never heard.
test("what is read while its slot moves is not kept, and afterwards it listens where the slot is", async () => {
  const { url, nodes, stop } = await startCluster(2);
  const resps = await Promise.all(nodes.map(({ port }) => connectResp(port)));
  const pair = await openPair(url);
  const { here, there } = pair;
  const [before, during, after] = await Promise.all([1, 2, 3].map(() => there.logIn("ada")));
  if (!before || !during || !after) throw new Error("three logins");
  for (const { token } of [before, during, after]) await here.know(token);
  const key = `${pair.prefix}${before.sid}`;
  const move = await beginToMove(
    resps,
    nodes,
    Number(await resps[0]?.command("CLUSTER", "KEYSLOT", key)),
  );
  // Every key has gone, and its deletion was a change.
  await until(() => here.near.recall(before.token) === undefined);
  for (let i = 0; i < 5; i++) {
    expect((await here.sessions.check(before.token)).status).toBe("valid");
    expect(here.near.recall(before.token)).toBeUndefined();
  }
  await endEach(pair, [before]);
  await move.end();
  await here.know(during.token);
  await here.know(after.token);
  await endEach(pair, [during]);
  await there.sessions.revokeUser("ada");
  await until(() => here.near.recall(after.token) === undefined);
  expect((await here.sessions.check(after.token)).status).toBe("invalid");
  await pair.close();
  for (const resp of resps) resp.close();
  await stop();
});

async function endEach(
  { here, there }: Pair,
  logins: readonly Awaited<ReturnType<Pair["there"]["logIn"]>>[],
): Promise<void> {
  for (const { token, sid } of logins) {
    await until(
      async () => (await there.sessions.revoke(sid).catch(() => "unknown")) === "revoked",
    );
    await until(() => here.near.recall(token) === undefined);
    expect((await here.sessions.check(token)).status).toBe("invalid");
  }
}

/** All keys of the slot are moved; that it is another's is yet to be said. */
async function beginToMove(resps: readonly Resp[], nodes: readonly TestRedis[], slot: number) {
  const ids = await Promise.all(
    resps.map(async (resp) => String(await resp.command("CLUSTER", "MYID"))),
  );
  const owners = await Promise.all(
    resps.map(async (resp) =>
      Number(await resp.command("CLUSTER", "COUNTKEYSINSLOT", String(slot))),
    ),
  );
  const from = owners.findIndex((keys) => keys > 0);
  const to = 1 - from;
  const [source, target] = [resps[from], resps[to]];
  if (source === undefined || target === undefined) throw new Error("nobody has the slot");
  const say = (resp: Resp, ...words: string[]): Promise<unknown> =>
    resp.command("CLUSTER", "SETSLOT", String(slot), ...words);
  await say(target, "IMPORTING", ids[from] ?? "");
  await say(source, "MIGRATING", ids[to] ?? "");
  const keys = await source.command("CLUSTER", "GETKEYSINSLOT", String(slot), "1000");
  for (const key of Array.isArray(keys) ? keys : []) {
    await source.command("MIGRATE", "127.0.0.1", String(nodes[to]?.port), String(key), "0", "5000");
  }
  return {
    async end(): Promise<void> {
      await say(target, "NODE", ids[to] ?? "");
      await say(source, "NODE", ids[to] ?? "");
    },
  };
}
