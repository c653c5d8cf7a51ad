/** What the store asks of a Redis client, and the only file of the library that has timers. */
import type { Duration } from "../core/duration.ts";
import { SessionError } from "../core/errors.ts";
import type { InvalidationFeed } from "../core/feed.ts";
import { refusal } from "./answers.ts";

export interface Script {
  readonly lua: string;
  readonly sha1: string;
}

/** A client library that can be under a driver. */
export type Library = "redis" | "ioredis";
export type Topology = "single" | "sentinel" | "cluster";

/**
 * The smallest client that fits. Each call answers within its time limit, or rejects with
 * "store-unavailable"; then a write may or may not have happened, or may happen yet. Replies are as
 * RESP has them: strings in UTF-8, numbers, arrays, null.
 */
export interface RedisDriver {
  readonly library: Library;
  readonly topology: Topology;
  /** `key` tells in a Cluster where to send the command; "" where it does not matter. */
  command(key: string, args: readonly string[]): Promise<unknown>;
  /**
   * All keys are in one slot. By its SHA-1; where the server does not know it yet, by its text. Every
   * script of ours names its first key at the head of its reply; the rest is what this resolves to.
   *
   * @param moving what to do instead while the slot is being moved and the script cannot run, within
   *   the same time limit; without it, the script is tried again
   */
  script(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    moving?: Moving,
  ): Promise<readonly unknown[]>;
  /** Tells which sessions under this prefix change; undefined where the connections are not ours. */
  readonly feed?: ((prefix: string) => InvalidationFeed) | undefined;
  close(): Promise<void>;
}

/** Runs scripts of one key each. */
export type Moving = (
  run: (script: Script, key: string, args: readonly string[]) => Promise<readonly unknown[]>,
) => Promise<readonly unknown[]>;

/** Default for the longest wait for one call. A Redis on the same network answers in 0.2 ms. */
export const CALL_TIMEOUT: Duration = "250ms";

/**
 * The answer of a call, or "store-unavailable": refused, lost or later than `limitMs`. Clients
 * give no such bound for a command that was already written: on a frozen server it stays pending
 * as long as the server does. A late answer is dropped; a late write may still happen.
 */
export async function answered<T>(call: Promise<T>, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      // Timers run before sockets are read. After a pause of the process the answer may lie there
      // already; one turn of the loop lets it arrive before we call it late.
      setImmediate(() =>
        reject(new SessionError("store-unavailable", `no answer in ${limitMs} ms`)),
      );
    }, limitMs);
  });
  try {
    return await Promise.race([call, late]);
  } catch (cause) {
    throw refusal(cause);
  } finally {
    clearTimeout(timer);
  }
}

/** Within a call that somebody waits for. */
export async function pause(ms: number): Promise<void> {
  await new Promise<void>((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Between tries that nobody waits for: keeps no process alive. */
export async function idle(ms: number): Promise<void> {
  await new Promise<void>((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}

/** Calls `work` once, unless what this returns is called before. Keeps no process alive. */
export function later(ms: number, work: () => void): () => void {
  const timer = setTimeout(work, ms).unref();
  return () => clearTimeout(timer);
}

/** Calls `work` again and again until what this returns is called. Keeps no process alive. */
export function every(ms: number, work: () => void): () => void {
  const timer = setInterval(work, ms).unref();
  return () => clearInterval(timer);
}
