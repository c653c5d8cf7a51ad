/** A Redis of the run's own, and what the recipes do to it behind the libraries' backs. */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "redis";
import { ensureRedisBinary } from "../../apps/server/dist/local-redis/redis-binary.js";
import { RedisProcess } from "../../apps/server/dist/local-redis/redis-process.js";

/** Longer than any recipe holds writes up; `letWritesGo` ends it. */
const PAUSE_MS = 60_000;
const USER = "libraries";
const READS = ["get", "mget", "hget", "hgetall", "eval", "evalsha", "eval_ro", "evalsha_ro"];

export async function startRedis() {
  const dir = await mkdtemp(join(tmpdir(), "latchkey-peers-"));
  const found = await ensureRedisBinary({ allowInstall: true, say: console.log, linkDir: dir });
  const args = ["--save", "", "--appendonly", "no"];
  const [binary, port, logFile] = [found.path, await freePort(), join(dir, "redis.log")];
  const server = new RedisProcess({ binary, port, dir, args, logFile });
  await server.ready();
  const url = `redis://127.0.0.1:${port}`;
  // The libraries come as a user of their own, who can be forbidden to read.
  const urlOfLibraries = `redis://${USER}:${USER}@127.0.0.1:${port}`;
  const control = await createClient({ url }).connect();
  const watcher = await createClient({ url }).connect();
  const all = ["~*", "&*", "+@all"];
  await control.sendCommand(["ACL", "SETUSER", USER, "on", `>${USER}`, ...all]);
  return {
    url: urlOfLibraries,
    name: found.name,
    hands: new Hands(control, watcher),
    stop: async () => {
      control.destroy();
      watcher.destroy();
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

class Hands {
  #control;
  #watcher;
  #seen;
  #marks = 0;
  #marked;

  constructor(control, watcher) {
    this.#control = control;
    this.#watcher = watcher;
  }

  empty() {
    return this.#control.sendCommand(["FLUSHALL"]);
  }

  keys() {
    return this.#control.sendCommand(["KEYS", "*"]);
  }

  /** Every string of a value, whatever its type. */
  async strings(key) {
    const type = await this.#control.type(key);
    if (type === "hash") return Object.entries({ ...(await this.#control.hGetAll(key)) }).flat();
    return type === "string" ? [await this.#control.get(key)] : [];
  }

  /** What a bug of another program might leave there. The TTL stays, unless the type must change. */
  async corrupt(key) {
    const type = await this.#control.type(key);
    if (type === "string") await this.#control.sendCommand(["SET", key, "{corrupt", "KEEPTTL"]);
    if (type !== "hash") return;
    const fields = await this.#control.hKeys(key);
    for (const field of fields) await this.#control.hSet(key, field, "{corrupt");
  }

  /**
   * What Redis does while `work` runs: the commands that clients send, but those that only greet or
   * ask who is there, and whether any of them writes, within a script too.
   */
  async commandsOf(work) {
    this.#seen ??= await this.#monitor();
    await this.#mark();
    const from = this.#seen.length;
    await work();
    await this.#mark();
    const seen = this.#seen
      .slice(from, -1)
      .filter(({ name }) => !/^(HELLO|CLIENT|PING|ECHO)$/.test(name));
    const names = [...new Set(seen.map(({ name }) => name))];
    const infos = names.length === 0 ? [] : await this.#control.commandInfo(names);
    return {
      sent: seen.filter(({ isInScript }) => !isInScript).map(({ name }) => name),
      writes: infos.some(({ flags }) => [...flags].includes("write")),
    };
  }

  /** Whether every key has an end of its own. */
  async allEnd() {
    const ttls = await Promise.all((await this.keys()).map((key) => this.#control.pTTL(key)));
    return ttls.every((ttl) => ttl > 0);
  }

  async #monitor() {
    const seen = [];
    await this.#watcher.monitor((line) => {
      // A line is `time [db client] "command" "argument"…`; what a script does has client `lua`.
      const [, client, command, mark] =
        /^\S+ \[\d+ (\S+)\] "([^"]*)"(?: "([^"]*)")?/.exec(line) ?? [];
      if (client === undefined) return;
      const name = command.toUpperCase();
      seen.push({ name, isInScript: client === "lua" });
      if (name === "ECHO") this.#marked?.(mark);
    });
    return seen;
  }

  /** Everything that was sent before has been seen once this resolves. */
  async #mark() {
    this.#marks += 1;
    const text = `mark-${this.#marks}`;
    const come = new Promise((resolve) => {
      this.#marked = (mark) => mark === text && resolve();
    });
    await this.#control.sendCommand(["ECHO", text]);
    await come;
  }

  /** From here on a write waits, and a read does not. */
  holdWrites() {
    return this.#control.sendCommand(["CLIENT", "PAUSE", String(PAUSE_MS), "WRITE"]);
  }

  /** Resolves once a write waits. */
  async writeWaits(isOver) {
    while (!isOver()) {
      const clients = String(await this.#control.sendCommand(["CLIENT", "LIST"]));
      if (/ flags=\w*b/.test(clients)) return;
    }
  }

  letWritesGo() {
    return this.#control.sendCommand(["CLIENT", "UNPAUSE"]);
  }

  /** Redis is there, and does not let the libraries read. */
  async whileUnreadable(work) {
    const set = (sign) => ["ACL", "SETUSER", USER, ...READS.map((name) => `${sign}${name}`)];
    await this.#control.sendCommand(set("-"));
    try {
      return await work();
    } finally {
      await this.#control.sendCommand(set("+"));
    }
  }

  /** Redis answers reads, and refuses writes: it is full, and may not evict. */
  async whileFull(work) {
    await this.#control.sendCommand(["CONFIG", "SET", "maxmemory", "1"]);
    try {
      return await work();
    } finally {
      await this.#control.sendCommand(["CONFIG", "SET", "maxmemory", "0"]);
    }
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
    server.on("error", reject);
  });
}
