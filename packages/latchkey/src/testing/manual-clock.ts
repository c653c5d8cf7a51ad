/** A clock that moves when a test says so. */
import type { Clock } from "../core/clock.ts";

export class ManualClock implements Clock {
  #now: number;

  /** @param start epoch ms */
  constructor(start = 1_750_000_000_000) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  /** @param ms whole, not negative: time does not run backwards */
  advance(ms: number): void {
    if (!Number.isSafeInteger(ms) || ms < 0) throw new RangeError(`cannot advance by ${ms} ms`);
    this.#now += ms;
  }
}
