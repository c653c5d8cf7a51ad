/** What the store asks of a Redis client, and the promise it makes about time. */
import type { Duration } from "../core/duration.ts";
import { SessionError } from "../core/errors.ts";

export interface Script {
  readonly lua: string;
  readonly sha1: string;
}

/**
 * The smallest client that fits. Each call answers within its time limit, or rejects with
 * "store-unavailable". Replies are as RESP has them: strings in UTF-8, numbers, arrays, null.
 */
export interface RedisDriver {
  /** `key` tells a Cluster client where to send the command. */
  command(key: string, args: readonly string[]): Promise<unknown>;
  /**
   * All keys are in one slot. By its SHA-1; where the server does not know it yet, by its text. Every
   * script of ours names its first key at the head of its reply; the rest is what this resolves to.
   */
  script(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
  ): Promise<readonly unknown[]>;
  close(): Promise<void>;
}

/**
 * The reply of a script without its head. A broken byte stream can shift replies from one request to
 * the next, and serving one would be serving somebody else's session. Throws "store-unavailable".
 */
export function ownReply(reply: unknown, key: string): readonly unknown[] {
  if (!Array.isArray(reply) || reply[0] !== key) {
    throw new SessionError("store-unavailable", "the reply belongs to another request");
  }
  return reply.slice(1);
}

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
      setImmediate(() => reject(new Error(`no answer within ${limitMs} ms`)));
    }, limitMs);
  });
  try {
    return await Promise.race([call, late]);
  } catch (cause) {
    throw new SessionError("store-unavailable", "Redis could not answer", { cause });
  } finally {
    clearTimeout(timer);
  }
}
