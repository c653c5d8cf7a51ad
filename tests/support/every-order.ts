/**
 * Every order in which the steps of several actors can happen, one after the other: no luck, no seed.
 * An actor waits at each of its steps until it is let go; what it does between two is its own affair.
 */

/** Waits for its turn. What comes after it, up to the next one, happens at once. */
export type Step = (label: string) => Promise<void>;

export interface Orders {
  readonly count: number;
  /** The orders in which the scene failed, as the labels of the steps, and how it failed. */
  readonly broken: readonly { readonly order: readonly string[]; readonly error: unknown }[];
}

/** More orders than this is a scene too large to be played to the end. */
const ORDERS_MAX = 100_000;

/** @param scene plays once, the same way each time but for the order of its steps */
export async function everyOrder(scene: (step: Step) => Promise<void>): Promise<Orders> {
  const broken: { order: string[]; error: unknown }[] = [];
  let turns: readonly Turn[] = [];
  for (let count = 1; count <= ORDERS_MAX; count++) {
    const played = await play(scene, turns);
    if (played.error !== undefined) broken.push({ order: played.order, error: played.error });
    // The next order: at the last turn where somebody else could have gone, he goes.
    const last = played.turns.findLastIndex(({ chosen, among }) => chosen + 1 < among);
    if (last === -1) return { count, broken };
    const { chosen = 0, among = 0 } = played.turns[last] ?? {};
    turns = [...played.turns.slice(0, last), { chosen: chosen + 1, among }];
  }
  throw new RangeError(`more than ${ORDERS_MAX} orders`);
}

/** Who went first, of how many that waited. */
interface Turn {
  readonly chosen: number;
  readonly among: number;
}

interface Waiting {
  readonly label: string;
  readonly go: () => void;
}

async function play(scene: (step: Step) => Promise<void>, planned: readonly Turn[]) {
  const waiting: Waiting[] = [];
  const turns: Turn[] = [];
  const order: string[] = [];
  let isOver = false;
  let error: unknown;
  const ended = scene((label) => new Promise((go) => waiting.push({ label, go })))
    .catch((cause: unknown) => {
      error = cause ?? new Error("failed without a reason");
    })
    .finally(() => {
      isOver = true;
    });
  while (!isOver) {
    await everybodyWaits();
    const among = waiting.length;
    if (among === 0) continue;
    const { chosen } = planned[turns.length] ?? { chosen: 0 };
    const [next] = waiting.splice(chosen, 1);
    if (next === undefined) throw new Error("the scene was played another way than before");
    turns.push({ chosen, among });
    order.push(next.label);
    next.go();
  }
  await ended;
  return { turns, order, error };
}

/** All that runs on promises alone has run as far as it can once the loop turns. */
function everybodyWaits(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
