/** Medians, spreads, and random numbers that are the same in each run. */

export function quantile(values, q) {
  const sorted = Float64Array.from(values).sort();
  if (sorted.length === 0) return Number.NaN;
  const at = (sorted.length - 1) * q;
  const below = sorted[Math.floor(at)];
  return below + (sorted[Math.ceil(at)] - below) * (at % 1);
}

export const median = (values) => quantile(values, 0.5);

/** @returns {{median: number, min: number, max: number}} */
export function spread(values, digits = 3) {
  const [mid, min, max] = [0.5, 0, 1].map((q) => round(quantile(values, q), digits));
  return { median: mid, min, max };
}

/** To so many significant digits: what comes after them is noise. */
export function round(value, digits = 3) {
  return Number.isFinite(value) ? Number(value.toPrecision(digits)) : value;
}

/** Whole numbers below `limit`, xorshift32. */
export function randomOf(seed) {
  let state = seed | 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

/** The contestants of one round, each round beginning with another one. */
export function* rotated(items, rounds) {
  for (let round = 0; round < rounds; round++) {
    // Every other round backwards: a neighbour's aftermath does not always hit the same one.
    const order = round % 2 === 0 ? items : items.toReversed();
    const start = (round * 7) % items.length;
    yield [...order.slice(start), ...order.slice(0, start)];
  }
}

/** Runs `work(i)` for all i below `count`, `width` at a time. */
export async function inParallel(count, width, work) {
  let next = 0;
  const worker = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: Math.min(width, count) }, worker));
}
