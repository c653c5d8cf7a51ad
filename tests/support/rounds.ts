/** How often a random test goes round, and the randomness that it can be repeated with. */

/** `npm run test:long` goes all the rounds, `npm test` a tenth of them. */
export function rounds(all: number): number {
  return process.env["LATCHKEY_TEST_LONG"] === "1" ? all : Math.ceil(all / 10);
}

/** All cases of a slow matrix, or with `npm test` only the first of them. */
export function cases<T>(all: readonly T[], first: number): readonly T[] {
  return all.slice(0, rounds(10) === 10 ? all.length : first);
}

/** Numbers from 0 to 1 that follow from a seed (mulberry32), and what to do with them. */
export class Dice {
  readonly seed: number;
  #state: number;

  /** @param seed from LATCHKEY_TEST_SEED, or a new one; print it */
  constructor(seed = Number(process.env["LATCHKEY_TEST_SEED"] ?? Date.now() % 2 ** 31)) {
    this.seed = seed;
    this.#state = seed;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 to `count - 1`. */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }

  shuffled<T>(items: readonly T[]): T[] {
    const left = [...items];
    return items.flatMap(() => left.splice(this.below(left.length), 1));
  }

  /** Lets some turns of the event loop pass: another order on the wires, without a timer. */
  async stagger(): Promise<void> {
    for (let turns = this.below(4); turns > 0; turns--) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
