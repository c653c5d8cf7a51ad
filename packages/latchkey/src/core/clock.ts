/** The only file of the core that reads the time. Stores with a clock of their own ignore it. */

export interface Clock {
  /** Milliseconds since 1970, UTC. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

/** Milliseconds from some moment on, never set back: how long something takes. */
export function monotonicMs(): number {
  return performance.now();
}
