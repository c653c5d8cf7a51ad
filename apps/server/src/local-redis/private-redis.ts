/**
 * The Redis of one data folder: run by this process, or shared with the process that runs it. Keeps
 * one answering on the same port until `stop()`: a Redis that dies is started again, and when the
 * process that runs it leaves, one of those that share it takes over. Never two on one folder.
 */
import { connect, type Socket } from "node:net";
import { join, relative } from "node:path";
import { monotonicMs, pause, until } from "./deadline.ts";
import { findLiveOwner, type LiveOwner } from "./live-owner.ts";
import { LocalRedisError, reasonOf } from "./local-redis-error.ts";
import { type Owner, type OwnerEntry, OwnerLock } from "./owner-lock.ts";
import { DOCKER_COMMAND } from "./package-manager.ts";
import { describeFinding, probeRedis } from "./probe.ts";
import type { RedisBinary } from "./redis-binary.ts";
import { RedisProcess, STOP_LIMIT_MS } from "./redis-process.ts";

export interface PrivateRedisOptions {
  /** Absolute. Redis works in its subfolder `redis`. */
  readonly dataDir: string;
  /** The first that is free is used. */
  readonly ports: readonly number[];
  /** Finds the server binary; asked only when this process has to run it. */
  readonly binary: () => Promise<RedisBinary>;
  readonly say: (line: string) => void;
}

/** Restarts within RESTART_WINDOW_MS; a Redis that dies more often has a cause that stays. */
const RESTARTS_MAX = 5;
const RESTART_WINDOW_MS = 60_000;
/** The first restart is at once, each further one of the window waits this much longer. */
const RESTART_PAUSE_MS = 100;
/** Losing the race for a folder means that another process won it, so a second round finds that. */
const ROUNDS_MAX = 5;

export class PrivateRedis {
  readonly #options: PrivateRedisOptions;
  readonly #lock: OwnerLock;
  #port: number | undefined;
  #description = "";
  #stopping = false;
  #held: OwnerEntry | undefined;
  #process: RedisProcess | undefined;
  #link: Socket | undefined;
  /** Why there is no Redis now, in words. */
  #gone: string | undefined;
  #restartTimes: number[] = [];
  #revival: Promise<void> | undefined;

  constructor(options: PrivateRedisOptions) {
    this.#options = options;
    this.#lock = new OwnerLock(join(options.dataDir, "redis"));
  }

  get port(): number {
    if (this.#port === undefined) throw new Error("a private Redis has no port before it is open");
    return this.#port;
  }

  get description(): string {
    return this.#description;
  }

  /** Shares the Redis of the folder if there is one; `false` if nobody runs one. */
  async join(): Promise<boolean> {
    const owner = await findLiveOwner(this.#lock, this.#options.say);
    if (owner !== undefined) this.#share(owner);
    return owner !== undefined;
  }

  /** Shares the Redis of the folder, or else runs it. */
  async open(): Promise<void> {
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      if (this.#held === undefined && (await this.join())) return;
      const { name, path } = await this.#options.binary();
      if (await this.#run(path, name)) return;
    }
    throw new LocalRedisError("folder-in-use", `${this.#lock.dir} changes hands all the time`);
  }

  /** Ends the Redis if this process runs it. Repeating it does nothing. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#link?.destroy();
    await this.#process?.stop();
    // A revival under way starts nothing any more, and leaves the folder; but it may be busy for
    // minutes (installing), which is no reason to hold up the end.
    await until(STOP_LIMIT_MS, () => (this.#revival === undefined ? true : undefined));
    await this.#release();
  }

  #share(owner: LiveOwner): void {
    if (this.#port !== undefined && this.#port !== owner.port) {
      throw new LocalRedisError("port-taken", `the Redis of this folder moved to ${owner.port}`);
    }
    this.#port = owner.port;
    this.#description = `private ${owner.version} of process ${owner.serverPid} on 127.0.0.1:${owner.port}, shared`;
    this.#options.say(`uses the private Redis of process ${owner.serverPid}, port ${owner.port}`);
    // An idle connection is how we notice, at once, that it has gone.
    const link = connect({ host: "127.0.0.1", port: owner.port });
    link.on("error", () => {}); // "close" follows.
    link.on("close", () => this.#onGone("the shared Redis has gone"));
    link.resume();
    link.unref();
    this.#link = link;
  }

  /** Runs Redis on the first port that is free; `false` if somebody else owns the folder by now. */
  async #run(binary: string, name: string): Promise<boolean> {
    this.#held ??= await this.#lock.claim(ownerOn(0));
    if (this.#held === undefined) return false;
    const ports = this.#port === undefined ? this.#options.ports : [this.#port];
    try {
      for (const port of ports) {
        const outcome = await this.#runOn(port, binary, name);
        if (outcome !== "taken") return outcome === "running";
      }
    } catch (error) {
      await this.#release();
      throw error;
    }
    await this.#release();
    const range = ports.length > 1 ? `${ports[0]} to ${ports.at(-1)}` : `${ports[0]}`;
    throw new LocalRedisError("port-taken", `no free port for Redis (tried ${range})`);
  }

  async #runOn(port: number, binary: string, name: string): Promise<"running" | "taken" | "lost"> {
    if ((await probeRedis(port)).kind !== "nothing") return "taken";
    // Also a check: while this process was suspended, another one may have taken the folder over.
    if (!(await this.#record(ownerOn(port)))) return "lost";
    if (this.#stopping) throw new LocalRedisError("start-failed", "stopped meanwhile");
    const redis = new RedisProcess({
      binary,
      port,
      dir: this.#lock.dir,
      logFile: join(this.#options.dataDir, "redis.log"),
      args: SETTINGS,
    });
    this.#process = redis;
    await this.#record({ ...ownerOn(port), redisPid: redis.pid });
    const version = await readyVersion(redis, name);
    if (version === undefined) return "taken";
    this.#port = port;
    this.#description = `private ${version} on 127.0.0.1:${port}, data in ${shortPath(this.#lock.dir)} (kept)`;
    this.#options.say(`started a ${this.#description}`);
    void redis.ended.then((how) => this.#onGone(`the private Redis has ended (${how})`));
    return "running";
  }

  /** Writes the owner file if the folder is still ours. */
  async #record(owner: Owner): Promise<boolean> {
    if (this.#held === undefined) return false;
    this.#held = await this.#lock.update(this.#held, owner);
    return this.#held !== undefined;
  }

  async #release(): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) await this.#lock.remove(held);
  }

  #onGone(what: string): void {
    this.#gone = what;
    if (!this.#stopping) this.#revival ??= this.#revive();
  }

  /** Never rejects. Ends without waiting once nothing is gone, so that no death falls in between. */
  async #revive(): Promise<void> {
    const { say } = this.#options;
    while (this.#gone !== undefined && !this.#stopping) {
      if (this.#restartsLeft() <= 0) {
        say(`${this.#gone}; gave up after ${RESTARTS_MAX} times in ${RESTART_WINDOW_MS / 1000} s`);
        await this.#release();
        break;
      }
      say(`${this.#gone}; bringing it back on port ${this.port}`);
      this.#gone = undefined;
      await pause(RESTART_PAUSE_MS * this.#restartTimes.length);
      this.#restartTimes.push(monotonicMs());
      try {
        await this.open();
      } catch (error) {
        this.#gone = `Redis did not come back: ${reasonOf(error)}`;
      }
    }
    this.#revival = undefined;
  }

  #restartsLeft(): number {
    const since = monotonicMs() - RESTART_WINDOW_MS;
    this.#restartTimes = this.#restartTimes.filter((time) => time > since);
    return RESTARTS_MAX - this.#restartTimes.length;
  }
}

/**
 * An append-only file synced every second: a killed Redis loses nothing, or the last two seconds if the
 * disk is slow, and a power cut the last two at most. noeviction: a full memory must refuse logins,
 * never silently drop a session.
 */
const SETTINGS = [
  ...["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""],
  ...["--maxmemory-policy", "noeviction"],
];

/** `undefined` if somebody else took the port in the last moment. */
async function readyVersion(redis: RedisProcess, name: string): Promise<string | undefined> {
  try {
    const finding = await redis.ready();
    if (finding.kind === "usable") return finding.version;
    await redis.stop();
    throw new LocalRedisError(
      "start-failed",
      `${name}: ${describeFinding(finding)}. Set REDIS_URL, or run another: ${DOCKER_COMMAND}`,
    );
  } catch (error) {
    if (error instanceof LocalRedisError && error.code === "port-taken") return undefined;
    throw error;
  }
}

function shortPath(path: string): string {
  const fromHere = relative(process.cwd(), path);
  return fromHere.startsWith("..") ? path : fromHere;
}

function ownerOn(port: number): Owner {
  return { serverPid: process.pid, redisPid: 0, port };
}
