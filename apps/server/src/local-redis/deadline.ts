/**
 * Waiting for something to become true in another process: look every few milliseconds until a
 * deadline of the monotonic clock. The only file of this folder that knows timers and clocks.
 */
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

/** A local Redis is ready about 35 ms after its start, so a look costs little and waits little. */
const LOOK_EVERY_MS = 20;

/**
 * Looks until `look` finds something and returns that; `undefined` when the limit passed first.
 * Looks at least once. A look that throws ends the waiting with that error.
 */
export async function until<Found>(
  limitMs: number,
  look: () => Promise<Found | undefined> | Found | undefined,
): Promise<Found | undefined> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() >= deadline) return undefined;
    await sleep(LOOK_EVERY_MS);
  }
}

/** Milliseconds of a clock that never jumps; only differences mean something. */
export function monotonicMs(): number {
  return performance.now();
}

export async function pause(ms: number): Promise<void> {
  if (ms > 0) await sleep(ms);
}

/** Calls `late` after the limit, unless the returned function was called before. */
export function alarm(limitMs: number, late: () => void): () => void {
  const timer = setTimeout(late, limitMs);
  return () => clearTimeout(timer);
}
