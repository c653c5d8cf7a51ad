/**
 * Which process runs the Redis of a data folder: `owner.json` in it. Two Redis on one folder would
 * write into the same append-only file and destroy it, so every change of the owner is a
 * compare-and-swap: it happens only if the file still holds what was read before.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { monotonicMs, until } from "./deadline.ts";
import { LocalRedisError } from "./local-redis-error.ts";

export interface Owner {
  readonly serverPid: number;
  /** 0: not started yet, or started again just now. */
  readonly redisPid: number;
  readonly port: number;
}

/** An owner as read from the file; `raw` is what a later swap compares. */
export interface OwnerEntry {
  readonly raw: string;
  readonly owner: Owner;
}

/** The guard is held for one read and one write, microseconds; so old means: its holder was killed. */
const GUARD_STALE_MS = 2_000;
const GUARD_LIMIT_MS = 5_000;

export class OwnerLock {
  readonly dir: string;
  readonly #file: string;
  readonly #guard: string;

  constructor(dir: string) {
    this.dir = dir;
    this.#file = join(dir, "owner.json");
    this.#guard = join(dir, "owner.guard");
  }

  /** `undefined` when the folder has no owner. A file that makes no sense is an owner long dead. */
  read(): OwnerEntry | undefined {
    const raw = readIfThere(this.#file);
    return raw === undefined ? undefined : { raw, owner: decode(raw) };
  }

  /** Makes `next` the owner, if nobody is. Resolves to `undefined` if somebody was faster. */
  async claim(next: Owner): Promise<OwnerEntry | undefined> {
    return this.#swap(undefined, next);
  }

  /** Replaces an entry of our own. Resolves to `undefined` if somebody took the folder over. */
  async update(ours: OwnerEntry, next: Owner): Promise<OwnerEntry | undefined> {
    return this.#swap(ours.raw, next);
  }

  /** Removes an entry, our own or one judged stale; does nothing if it is not there any more. */
  async remove(entry: OwnerEntry): Promise<void> {
    await this.#guarded(() => {
      if (readIfThere(this.#file) === entry.raw) rmSync(this.#file);
    });
  }

  async #swap(expected: string | undefined, next: Owner): Promise<OwnerEntry | undefined> {
    const raw = JSON.stringify(next);
    mkdirSync(this.dir, { recursive: true, mode: 0o700 });
    return this.#guarded(() => {
      if (readIfThere(this.#file) !== expected) return undefined;
      // Written aside and moved, so that a reader never sees half a file.
      const fresh = `${this.#file}.${process.pid}`;
      writeFileSync(fresh, raw, { mode: 0o600 });
      renameSync(fresh, this.#file);
      return { raw, owner: next };
    });
  }

  /** Runs `change`, which must not wait for anything, while no other process runs one. */
  async #guarded<Result>(change: () => Result): Promise<Result> {
    let seen = "";
    let seenSince = 0;
    const held = await until(GUARD_LIMIT_MS, () => {
      const holder = createdNow(this.#guard);
      if (holder === "created") return true;
      if (holder !== seen) [seen, seenSince] = [holder, monotonicMs()];
      // The file's own time may come from another clock, so we measure how long we have seen it.
      else if (monotonicMs() - seenSince > GUARD_STALE_MS) rmSync(this.#guard, { force: true });
      return undefined;
    });
    if (held === undefined) {
      throw new LocalRedisError("folder-in-use", `${this.#guard} stays locked; remove it`);
    }
    try {
      return change();
    } finally {
      rmSync(this.#guard, { force: true });
    }
  }
}

/** "created" if this call made the file, else what tells the present one from its successors. */
function createdNow(path: string): string {
  try {
    writeFileSync(path, "", { flag: "wx", mode: 0o600 });
    return "created";
  } catch (error) {
    if (!isCode(error, "EEXIST")) throw error;
    const present = statSync(path, { throwIfNoEntry: false });
    return present === undefined ? "just left" : `${present.ino} ${present.ctimeMs}`;
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

function decode(raw: string): Owner {
  let value: unknown;
  try {
    value = JSON.parse(raw);
  } catch {
    value = {}; // The disk was full, or somebody edited it: nobody we can ask.
  }
  const field = (name: keyof Owner): number => {
    const found = value !== null && typeof value === "object" ? Reflect.get(value, name) : 0;
    return typeof found === "number" && Number.isSafeInteger(found) && found > 0 ? found : 0;
  };
  return { serverPid: field("serverPid"), redisPid: field("redisPid"), port: field("port") };
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
