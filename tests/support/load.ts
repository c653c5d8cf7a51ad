/** A steady stream of calls against something, and what became of them. */
import { setInterval as ticks } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

export interface Answered {
  /** What the call resolved to, or the code of its error. */
  readonly result: string;
  /** Since the load began. */
  readonly startMs: number;
  readonly ms: number;
}

export interface Load {
  readonly answers: readonly Answered[];
  /** Ends the stream; resolves once every call has been answered. */
  stop(): Promise<void>;
}

const TICK_MS = 10;

/** Starts `perSecond` calls a second, however long each takes. */
export function startLoad(perSecond: number, call: (i: number) => Promise<string>): Load {
  const answers: Answered[] = [];
  const calls: Promise<void>[] = [];
  const begin = performance.now();
  const one = async (i: number): Promise<void> => {
    const start = performance.now();
    const result = await call(i).catch((error) => String(error.code ?? error));
    answers.push({ result, startMs: start - begin, ms: performance.now() - start });
  };
  let isOver = false;
  const stream = (async () => {
    for await (const _ of ticks(TICK_MS)) {
      if (isOver) return;
      // As many as are due: a late tick makes up for itself.
      const due = ((performance.now() - begin) / 1_000) * perSecond;
      while (calls.length < due) calls.push(one(calls.length));
    }
  })();
  return {
    answers,
    async stop() {
      isOver = true;
      await stream;
      await Promise.all(calls);
    },
  };
}

/** How long the slowest took. */
export function slowest(answers: readonly Answered[]): number {
  return Math.max(0, ...answers.map(({ ms }) => ms));
}

/** How often each result came. */
export function tally(answers: readonly Answered[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { result } of answers) counts[result] = (counts[result] ?? 0) + 1;
  return counts;
}

/** Bytes of live objects: garbage is collected first. */
export function liveHeap(): number {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  return process.memoryUsage().heapUsed;
}
