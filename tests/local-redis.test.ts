/** Bringing up a Redis when none is configured, on real processes. Builds on apps/server/dist. */
import { once } from "node:events";
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findOnPath } from "../apps/server/src/local-redis/command.ts";
import { redisBinary } from "./support/binaries.ts";
import { freePortRange } from "./support/free-port.ts";
import { type BringUpOptions, bringUpInChild, type RedisUser } from "./support/local-redis.ts";
import { groupExists, processesIn } from "./support/processes.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { respOnce } from "./support/resp.ts";
import { until } from "./support/until.ts";
import { untilWritten } from "./support/written.ts";

const LINUX = process.platform === "linux";
const INFO_6 = "# Server\r\nredis_version:6.2.14\r\nprocess_id:7\r\n";
const ERROR_6 =
  "ERR Error compiling script (new function): user_script:1: unexpected symbol near '#'";
const REDIS_6 = `+PONG\r\n-${ERROR_6}\r\n$${INFO_6.length}\r\n${INFO_6}\r\n`;

let dataDir: string;
let port: number;
let cleanups: (() => Promise<unknown>)[];

beforeEach(async () => {
  cleanups = [];
  dataDir = await mkdtemp(join(tmpdir(), "latchkey-local-redis-"));
  port = await freePortRange(24);
});

afterEach(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
  await until(() => processesIn(join(dataDir, "redis")).length === 0);
  await rm(dataDir, { recursive: true, force: true });
});

describe("a Redis that answers on the port", () => {
  test("is used, is named in the banner, and outlives us", async () => {
    const theirs = await foreignRedis();
    const user = await bringUp();
    expect(user.port).toBe(port);
    expect(user.description).toMatch(/^(Redis|Valkey) \S+ found on 127\.0\.0\.1:\d+, not started/);
    await user.stop();
    expect(await respOnce(theirs.port, "PING")).toBe("PONG");
    expect(readdirSync(dataDir), "nothing of ours is left").toEqual([]);
  });

  test("is not used when it wants a password", async () => {
    await foreignRedis("--requirepass", "swordfish");
    const user = await bringUp();
    expect(user.port).toBe(port + 1);
    expect(user.said()).toContain("wants a password; not used");
  });

  test("is not used when it is a replica, which refuses writes", async () => {
    await foreignRedis("--replicaof", `127.0.0.1 ${port + 23}`);
    const user = await bringUp();
    expect(user.port).toBe(port + 1);
    expect(user.said()).toMatch(/READONLY.*; not used/);
  });

  test.each([
    ["does not answer", "", "does not answer a PING within 500 ms; not used"],
    ["speaks HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n", "not Redis; not used"],
    ["is Redis 6", REDIS_6, "Redis 6.2.14, too old"],
    ["sends escape sequences", "-ERR \u001b[2Jboo\r\n:1\r\n:1\r\n", "says: ERR  [2Jboo; not used"],
  ])("is not used when it %s", async (_, answer, said) => {
    await stranger((socket) => socket.once("data", () => socket.write(answer)));
    const user = await bringUp();
    expect(user.port).toBe(port + 1);
    expect(user.said()).toContain(said);
  });

  test("is not used when it hangs up", async () => {
    await stranger((socket) => socket.destroy());
    const user = await bringUp();
    expect(user.port).toBe(port + 1);
    expect(user.said()).toContain("; not used");
  });
});

describe("a private Redis", () => {
  test("keeps its data from one start to the next, and leaves nothing running", async () => {
    const first = await bringUp();
    expect(first.port).toBe(port);
    expect(first.description).toContain(`on 127.0.0.1:${port}, data in `);
    await respOnce(first.port, "SET", "session:x", "ada");
    await first.stop();
    expect(processesIn(join(dataDir, "redis"))).toEqual([]);
    expect(existsSync(join(dataDir, "redis/owner.json"))).toBe(false);
    const second = await bringUp();
    expect(await respOnce(second.port, "GET", "session:x")).toBe("ada");
  });

  test("dies with a server that is killed, and a start straight after finds its data", async () => {
    const first = await bringUp();
    await respOnce(first.port, "SET", "session:x", "ada");
    const redis = await ownRedis();
    await first.kill();
    const second = await bringUp();
    expect(second.port).toBe(port);
    expect(second.description).toMatch(/^private/);
    expect(await respOnce(second.port, "GET", "session:x")).toBe("ada");
    await until(() => !groupExists(redis));
  });

  test("dies with a server that is killed while it is frozen itself", async () => {
    const user = await bringUp();
    const redis = await ownRedis();
    process.kill(redis, "SIGSTOP");
    await user.kill();
    await until(() => !groupExists(redis));
  });

  test("that is killed is back on its port, with its data", async () => {
    const user = await bringUp();
    await respOnce(user.port, "SET", "session:x", "ada");
    await untilWritten(user.port);
    const before = await ownRedis();
    process.kill(before, "SIGKILL");
    await until(async () => (await ownRedis()) !== before && (await answers(port)));
    expect(await respOnce(port, "GET", "session:x")).toBe("ada");
    expect(user.said()).toContain("has ended (SIGKILL); bringing it back on port");
    await until(() => !groupExists(before));
  });

  test("that loses the watcher which ends it with us is replaced by one that has it", async () => {
    const user = await bringUp();
    const before = await ownRedis();
    const watcher = processesIn(join(dataDir, "redis")).find((pid) => pid !== before) ?? 0;
    expect(watcher).toBeGreaterThan(0);
    process.kill(watcher, "SIGKILL");
    await until(async () => (await ownRedis()) !== before && (await answers(port)));
    const after = await ownRedis();
    await user.kill();
    await until(() => !groupExists(after));
  });

  test("that was orphaned, its watcher killed with the server, is ended by the next start", async () => {
    const user = await bringUp();
    await respOnce(port, "SET", "session:x", "ada");
    const orphan = await ownRedis();
    const watcher = processesIn(join(dataDir, "redis")).find((pid) => pid !== orphan) ?? 0;
    process.kill(watcher, "SIGKILL");
    await user.kill();
    const next = await bringUp();
    expect(next.description).toMatch(/^private/);
    expect(groupExists(orphan)).toBe(false);
    expect(await respOnce(port, "GET", "session:x")).toBe("ada");
  });

  test("that dies again and again is given up, and the folder is free for another server", async () => {
    const user = await bringUp();
    for (let restarts = 0; restarts < 5; restarts += 1) {
      const before = await ownRedis();
      process.kill(before, "SIGKILL");
      await until(async () => (await ownRedis()) !== before && (await answers(port)));
    }
    process.kill(await ownRedis(), "SIGKILL");
    await until(() => user.said().includes("gave up after 5 times in 60 s"));
    await until(() => !existsSync(join(dataDir, "redis/owner.json")));
    const next = await bringUp();
    expect(next.description).toMatch(/^private/);
  });
});

describe("servers of one folder", () => {
  test("share one Redis, also when they start in the same moment", async () => {
    const users = await Promise.all([bringUp(), bringUp(), bringUp()]);
    expect(new Set(users.map((user) => user.port)).size).toBe(1);
    await until(redisAndItsWatcher);
    const sharing = users.filter((user) => user.description.endsWith("shared"));
    expect(sharing).toHaveLength(2);
    const owner = users.find((user) => !sharing.includes(user));
    expect(sharing[0]?.said()).toContain(`uses the private Redis of process ${owner?.pid},`);
  });

  test("hand it over when the one that runs it stops or is killed", async () => {
    const first = await bringUp();
    const second = await bringUp();
    const third = await bringUp();
    await respOnce(port, "SET", "session:x", "ada");
    await first.stop();
    await until(
      async () => second.pid === (await serverOfRedis()) || third.pid === (await serverOfRedis()),
    );
    await until(async () => answers(port));
    const [heir, last] = second.pid === (await serverOfRedis()) ? [second, third] : [third, second];
    await heir.kill();
    await until(async () => last.pid === (await serverOfRedis()));
    await until(async () => answers(port));
    expect(await respOnce(port, "GET", "session:x")).toBe("ada");
    await until(redisAndItsWatcher);
  });

  test("leave the Redis alone when one that only shares it goes", async () => {
    await bringUp();
    const redis = await ownRedis();
    const sharing = await bringUp();
    await sharing.stop();
    expect(await ownRedis()).toBe(redis);
    expect(await respOnce(port, "PING")).toBe("PONG");
  });
});

describe("an owner file without an owner is taken over", () => {
  test.each([
    ["whose pids are other processes by now", () => ({ serverPid: 1, redisPid: process.pid })],
    ["whose server is alive but has no Redis", () => ({ serverPid: process.pid, redisPid: 0 })],
    ["that makes no sense, and which was being written", () => "{"],
  ])("%s", async (_, content) => {
    await mkdir(join(dataDir, "redis"));
    const owner = content();
    const text = typeof owner === "string" ? owner : JSON.stringify({ ...owner, port });
    await writeFile(join(dataDir, "redis/owner.json"), text);
    if (text === "{") await writeFile(join(dataDir, "redis/owner.guard"), "");
    const user = await bringUp();
    expect(user.port).toBe(port);
    expect(await serverOfRedis()).toBe(user.pid);
  });
});

describe("without a Redis on the machine", () => {
  test("the error names the one command to type", async () => {
    const path = await programs({});
    await expect(bringUp({ path, allowInstall: true })).rejects.toThrow(
      /no package manager found[\s\S]*LocalRedisError: no Redis\. Set REDIS_URL, .*docker run -d/,
    );
  });

  test.runIf(LINUX)("--no-install is obeyed, and the error says what it forbids", async () => {
    const path = await programs({ "apt-get": `touch ${dataDir}/was-run` });
    await expect(bringUp({ path })).rejects.toThrow(
      /--no-install forbids it\n.*apt-get install -y --no-install-recommends redis-tools$/,
    );
    expect(existsSync(join(dataDir, "was-run"))).toBe(false);
  });

  test.runIf(LINUX)("a failed installation is said, with the reason", async () => {
    const path = await programs({ "apt-get": "echo E: no such luck >&2; exit 100" });
    await expect(bringUp({ path, allowInstall: true })).rejects.toThrow(
      /running: .*apt-get install .*\nit failed: E: no such luck\n.*LocalRedisError: no Redis/,
    );
  });

  test.runIf(LINUX)(
    "the package manager is run unattended, and what it brings is used",
    async () => {
      const server = await redisBinary();
      const link = `ln -s ${realpathSync(server)} "$FOLDER/redis-check-rdb"`;
      const path = await programs({
        "apt-get": `[ "$DEBIAN_FRONTEND" = noninteractive ] && if [ $1 = install ]; then ${link}; fi`,
      });
      const user = await bringUp({ path, allowInstall: true });
      expect(user.said()).toMatch(/running: .*apt-get update\nrunning: .*apt-get install -y/);
      expect(user.port).toBe(port);
      expect(await answers(port)).toBe(true);
    },
  );
});

/** Brings one up, and stops it at the end of the test. */
async function bringUp(options: Partial<BringUpOptions> = {}): Promise<RedisUser> {
  const user = await bringUpInChild({ dataDir, port, ...options });
  cleanups.push(user.stop);
  return user;
}

async function foreignRedis(...args: string[]): Promise<TestRedis> {
  const redis = await startRedis({ port, args });
  cleanups.push(redis.stop);
  return redis;
}

/** Something on the port that is no Redis. */
async function stranger(onConnection: (socket: Socket) => void): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}); // Being hung up on is part of it.
    onConnection(socket);
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
}

/** A folder for PATH that holds these shell scripts, `env` and a sudo that asks nothing. */
async function programs(scripts: Record<string, string>): Promise<string> {
  const folder = join(dataDir, "programs");
  await mkdir(folder);
  for (const name of ["env", "ln", "touch"]) {
    const real = findOnPath(name);
    if (real !== undefined) await symlink(real, join(folder, name));
  }
  const all = { sudo: `shift; exec "$@"`, ...scripts };
  for (const [name, script] of Object.entries(all)) {
    const text = `#!/bin/sh\nFOLDER=${folder}\n${script}\n`;
    await writeFile(join(folder, name), text, { mode: 0o755 });
  }
  return folder;
}

async function ownRedis(): Promise<number> {
  return (await ownerFile()).redisPid;
}

async function serverOfRedis(): Promise<number> {
  return (await ownerFile()).serverPid;
}

/** Zeros while the folder changes hands. */
async function ownerFile(): Promise<{ serverPid: number; redisPid: number }> {
  const text = await readFile(join(dataDir, "redis/owner.json"), "utf8").catch(() => "");
  return text === "" ? { serverPid: 0, redisPid: 0 } : JSON.parse(text);
}

async function answers(onPort: number): Promise<boolean> {
  return respOnce(onPort, "PING").then(
    (reply) => reply === "PONG",
    () => false,
  );
}

/** Two processes, once what watched over an earlier Redis has left. */
function redisAndItsWatcher(): boolean {
  return processesIn(join(dataDir, "redis")).length === 2;
}
