/** A Redis of the run's own, with nothing kept on disk, and what it counted. */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "redis";
import { ensureRedisBinary } from "../../apps/server/dist/local-redis/redis-binary.js";
import { RedisProcess } from "../../apps/server/dist/local-redis/redis-process.js";

/** What we ask ourselves, and no contestant does. */
const OWN = ["info", "config|resetstat", "dbsize"];
/** What a client sends beside its scripts; the rest of the counts are calls within scripts. */
const BESIDE_SCRIPTS = /^(eval|evalsha|fcall|role|ping|hello|auth|select|client\b|script\b)/;

export async function startRedis() {
  const dir = await mkdtemp(join(tmpdir(), "latchkey-bench-"));
  const found = await ensureRedisBinary({ allowInstall: true, say: console.error, linkDir: dir });
  const args = ["--save", "", "--appendonly", "no"];
  const [binary, port, logFile] = [found.path, await freePort(), join(dir, "redis.log")];
  const server = new RedisProcess({ binary, port, dir, args, logFile });
  await server.ready();
  const url = `redis://127.0.0.1:${port}`;
  const control = await createClient({ url }).connect();
  return {
    ...{ url, name: found.name, control },
    commands: async () => counted(await control.info("commandstats")),
    usedMemory: async () => Number(/used_memory:(\d+)/.exec(await control.info("memory"))[1]),
    cpuMicros: async () => {
      const text = await control.info("cpu");
      const seconds = (name) => Number(new RegExp(`${name}:([\\d.]+)`).exec(text)[1]);
      return (seconds("used_cpu_user") + seconds("used_cpu_sys")) * 1e6;
    },
    stop: async () => {
      control.destroy();
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** `INFO commandstats` as Map: name → { calls, micros }. */
function counted(text) {
  const counts = new Map();
  for (const [, name, calls, micros] of text.matchAll(/cmdstat_(\S+):calls=(\d+),usec=(\d+)/g)) {
    if (!OWN.includes(name)) counts.set(name, { calls: Number(calls), micros: Number(micros) });
  }
  return counts;
}

/**
 * What clients sent between two counts. Redis counts what a script calls like any command, and who
 * sends scripts here sends nothing else but what its connections need.
 */
export function sent(before, after) {
  const names = [...after.keys()];
  const more = (name, field) => after.get(name)[field] - (before.get(name)?.[field] ?? 0);
  const scripts = names.filter((name) => name.startsWith("eval") && more(name, "calls") > 0);
  const own = scripts.length > 0 ? names.filter((name) => BESIDE_SCRIPTS.test(name)) : names;
  const byName = own.map((name) => [name, more(name, "calls")]).filter(([, calls]) => calls > 0);
  return {
    calls: byName.reduce((sum, [, calls]) => sum + calls, 0),
    // The time of a script includes that of the commands in it.
    micros: own.reduce((sum, name) => sum + more(name, "micros"), 0),
    byName: Object.fromEntries(byName),
  };
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
