/** The servers and the client that other tests stand on. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { groupExists } from "./support/processes.ts";
import { startCluster } from "./support/redis-cluster.ts";
import { startRedis } from "./support/redis-server.ts";
import { connectResp, respOnce } from "./support/resp.ts";
import { until } from "./support/until.ts";
import { untilWritten } from "./support/written.ts";

let cleanups: (() => Promise<unknown>)[];

beforeEach(() => {
  cleanups = [];
});

afterEach(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

test("forms a cluster that serves every slot", async () => {
  const cluster = await startCluster();
  cleanups.push(cluster.stop);
  expect(cluster.url).toMatch(/^redis\+cluster:(\/\/|,)127/);
  for (const node of cluster.nodes) {
    const info = await respOnce(node.port, "CLUSTER", "INFO");
    expect(info).toContain("cluster_state:ok");
    expect(info).toContain("cluster_known_nodes:3");
  }
  const [first] = cluster.nodes;
  // "foo" is in slot 12182, the last third.
  const answer = respOnce(first?.port ?? 0, "SET", "foo", "bar");
  await expect(answer).rejects.toThrow(`MOVED 12182 127.0.0.1:${cluster.nodes[2]?.port}`);
  expect(await respOnce(cluster.nodes[2]?.port ?? 0, "SET", "foo", "bar")).toBe("OK");
  await cluster.nodes[2]?.restart();
  await until(async () =>
    String(await respOnce(first?.port ?? 0, "CLUSTER", "INFO")).includes("cluster_state:ok"),
  );
});

test("restarts a Redis on its port, and keeps what it was told to keep", async () => {
  const redis = await startRedis({ args: ["--appendonly", "yes"] });
  cleanups.push(redis.stop);
  await respOnce(redis.port, "SET", "x", "1");
  await untilWritten(redis.port);
  const before = redis.pid;
  await redis.kill("SIGKILL");
  await until(() => !groupExists(before));
  await redis.restart();
  expect(redis.pid).not.toBe(before);
  expect(await respOnce(redis.port, "GET", "x")).toBe("1");
});

test("has a client that pipelines in order, and sees MONITOR", async () => {
  const redis = await startRedis();
  cleanups.push(redis.stop);
  const [resp, watching] = [await connectResp(redis.port), await connectResp(redis.port)];
  const lines: string[] = [];
  await watching.monitor((line) => lines.push(line));
  const replies = await Promise.all([
    resp.command("SET", "k", "gr\u00fc\u00dfe\r\n\u{1f511}"),
    resp.command("GET", "k"),
    resp.command("INCR", "k").catch(String),
    resp.command("EVAL", "return {1, 'two', {3, false}}", "0"),
    resp.command("GET", "absent"),
  ]);
  const refusal = "RespError: ERR value is not an integer or out of range";
  expect(replies).toEqual([
    "OK",
    "gr\u00fc\u00dfe\r\n\u{1f511}",
    refusal,
    [1, "two", [3, null]],
    null,
  ]);
  await until(() => lines.some((line) => line.includes('"GET" "absent"')));
  await redis.kill("SIGKILL");
  await expect(resp.command("PING")).rejects.toThrow();
  watching.close();
});
