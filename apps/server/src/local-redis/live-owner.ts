/**
 * Is there a living owner of a data folder, with a Redis that answers? Waits, within limits, for one
 * that is starting and for one that is dying, and clears away what a dead one has left behind.
 */
import { readlinkSync, realpathSync } from "node:fs";
import { monotonicMs, until } from "./deadline.ts";
import { LocalRedisError } from "./local-redis-error.ts";
import type { Owner, OwnerLock } from "./owner-lock.ts";
import { describeFinding, type Finding, probeRedis } from "./probe.ts";
import { READY_LIMIT_MS } from "./redis-process.ts";

export interface LiveOwner {
  readonly serverPid: number;
  readonly port: number;
  readonly version: string;
}

/** A living owner has a Redis, or starts one again within milliseconds. */
const WITHOUT_REDIS_LIMIT_MS = 2_000;
/** Where nobody can tell whether a pid is still that Redis: longer than a Redis takes to end. */
const UNKNOWN_LIMIT_MS = 12_000;

/** `undefined`: nobody owns the folder now. Rejects if a Redis that we cannot use works in it. */
export async function findLiveOwner(
  lock: OwnerLock,
  say: (line: string) => void,
): Promise<LiveOwner | undefined> {
  const folder = new FolderWatch(lock, say);
  const outcome = await until(READY_LIMIT_MS, async () => folder.look());
  if (outcome === undefined) throw folder.inUseError();
  return outcome === "nobody" ? undefined : outcome;
}

class FolderWatch {
  readonly #lock: OwnerLock;
  readonly #say: (line: string) => void;
  #provenMs = monotonicMs();
  #announced = false;
  #lastSeen = "";

  constructor(lock: OwnerLock, say: (line: string) => void) {
    this.#lock = lock;
    this.#say = say;
  }

  /** `undefined`: cannot be said yet. */
  async look(): Promise<LiveOwner | "nobody" | undefined> {
    const entry = this.#lock.read();
    if (entry === undefined) return "nobody";
    const { owner } = entry;
    const finding = owner.port === 0 ? undefined : await probeRedis(owner.port);
    const answers = finding?.kind === "usable" && finding.pid === owner.redisPid;
    const alive = isAlive(owner.serverPid);
    if (alive && answers) return { ...owner, version: finding.version };

    const state = answers ? "running" : redisState(owner, this.#lock.dir);
    if (state === "running") {
      this.#provenMs = monotonicMs();
      this.#announce(owner, alive, finding);
      // Its watcher has told it already, unless that was killed too. The pid is beyond doubt: the
      // Redis on this port says itself that it is the process in the file.
      if (!alive && answers) terminate(owner.redisPid);
      return undefined;
    }
    if (monotonicMs() - this.#provenMs < patienceMs(alive, state)) return undefined;
    await this.#lock.remove(entry);
    return "nobody";
  }

  inUseError(): LocalRedisError {
    return new LocalRedisError("folder-in-use", `${this.#lock.dir} is in use: ${this.#lastSeen}`);
  }

  #announce(owner: Owner, alive: boolean, finding: Finding | undefined): void {
    const what = `Redis process ${owner.redisPid} of server process ${owner.serverPid}`;
    const state = finding === undefined ? "starting" : describeFinding(finding);
    this.#lastSeen = `${what}, port ${owner.port}: ${state}`;
    if (this.#announced) return;
    this.#announced = true;
    this.#say(alive ? `waiting for ${what}` : `waiting for the end of ${what}, which is gone`);
  }
}

/** How long nothing may have been seen of the Redis before its owner counts as gone. */
function patienceMs(serverAlive: boolean, redis: "gone" | "unknown"): number {
  if (redis === "unknown") return UNKNOWN_LIMIT_MS;
  // A pid that is alive may belong to somebody else by now, for example after a reboot.
  return serverAlive ? WITHOUT_REDIS_LIMIT_MS : 0;
}

/** Pids are used again, so being alive is no proof: Redis works in its data folder. */
function redisState(owner: Owner, dir: string): "running" | "gone" | "unknown" {
  if (!isAlive(owner.redisPid)) return "gone";
  if (process.platform !== "linux") return "unknown";
  try {
    return readlinkSync(`/proc/${owner.redisPid}/cwd`) === realpathSync(dir) ? "running" : "gone";
  } catch (error) {
    // ENOENT: it has ended (a zombie has no folder). EACCES: a process of another user.
    return isAlive(owner.redisPid) && codeOf(error) !== "ENOENT" ? "unknown" : "gone";
  }
}

function isAlive(pid: number): boolean {
  return pid > 0 && signal(pid, 0);
}

function terminate(pid: number): void {
  signal(pid, "SIGTERM");
}

/** `false` if there is no such process; one that belongs to somebody else is one. */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if (codeOf(error) === "ESRCH") return false;
    if (codeOf(error) === "EPERM") return true;
    throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
