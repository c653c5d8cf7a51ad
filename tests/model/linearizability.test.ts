/**
 * Sixteen clients in two processes work on a few sessions at once, on real Redis. For each session
 * there must be an order of all their calls in which every answer is right.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { memoryStore } from "latchkey/memory";
import { redisStore } from "latchkey/redis";
import { describe, expect, test } from "vitest";
import { play } from "../support/history.js";
import { type Call, isLinearizable } from "../support/linearizability.ts";
import { bareHashStore, wholeSessionStore } from "../support/naive-stores.ts";
import { connectResp } from "../support/resp.ts";
import { Dice, rounds } from "../support/rounds.ts";
import { freshPrefix, PATIENT, useServers } from "../support/stores.ts";
import {
  type Input,
  plan,
  type Shared,
  specification,
  type Told,
  type Verb,
  type Wish,
} from "./history.ts";

const CLIENTS = 16;
const PROCESSES = 2;
const CALLS = 40;
const SESSIONS = 4;
const LONG_TEST_MS = 15 * 60_000;
const VERBS: readonly Verb[] = [
  ...(["load", "load", "update", "update", "update", "touch", "rotate", "rotate"] as const),
  ...([
    "load",
    "load",
    "update",
    "update",
    "update",
    "touch",
    "rotate",
    "rotate",
    "revoke",
  ] as const),
];
/** The second gives up so soon that a part of its calls time out. */
const TIMEOUTS = [PATIENT, "1ms"] as const;

const servers = useServers();
const dice = new Dice();
console.log(`linearizability: LATCHKEY_TEST_SEED=${dice.seed}`);

describe("every history of a session has an order in which each answer is right", () => {
  test.each([
    ["on one Redis", 1_000, () => servers().redis.url],
    ["on Cluster", 400, () => servers().cluster.url],
  ])(
    "%s",
    async (where, all, url) => {
      const prefix = freshPrefix();
      const ids = await redisStore({ url: url(), prefix });
      const workers = await startWorkers(url(), prefix);
      const wrong: Told[][] = [];
      let [histories, calls, unknown] = [0, 0, 0];
      try {
        while (histories < rounds(all)) {
          const sessions = Array.from({ length: SESSIONS }, (_, i): Shared => {
            const user = `user${histories + i}`;
            return { sid: ids.mintId(user), user, secretHash: i % 2 ? null : "s".repeat(43) };
          });
          const chances = { verbs: VERBS, sessions: SESSIONS, stores: TIMEOUTS.length };
          const wishes = plan(dice, CLIENTS, CALLS * SESSIONS, chances);
          const told = await playAll(workers, sessions, wishes);
          calls += told.length;
          unknown += told.filter(({ answer }) => answer === null).length;
          for (const [i, shared] of sessions.entries()) {
            const own = told.filter(({ session }) => session === i);
            if (!isLinearizable(own.map(callOf), specification(shared))) wrong.push(own);
          }
          histories += SESSIONS;
        }
      } finally {
        await stopWorkers(workers);
        await ids.close();
      }
      console.log(
        `${where}: ${histories} histories, ${calls} calls, ${unknown} without an answer, ` +
          `${wrong.length} wrong`,
      );
      expect(wrong.map((own) => own.toSorted((a, b) => a.calledAt - b.calledAt))).toEqual([]);
    },
    LONG_TEST_MS,
  );
});

test.each([
  ["saving the whole session", wholeSessionStore],
  ["writing a field without asking", bareHashStore],
])("a store that is written the usual way has histories without one: %s", async (name, make) => {
  const { redis } = servers();
  const prefix = freshPrefix();
  const links = await Promise.all(Array.from({ length: CLIENTS }, () => connectResp(redis.port)));
  const stores = links.map((link) => make(link, prefix));
  const total = rounds(200);
  let [wrong, raced] = [0, 0];
  for (let histories = 0; histories < total; histories++) {
    const shared: Shared = { sid: memoryStore().mintId(), user: "ada", secretHash: null };
    const verbs = VERBS.filter((verb) => verb !== "rotate");
    const wishes = plan(dice, CLIENTS, CALLS, { verbs, sessions: 1, stores: 1 });
    const own = wishes.map((list, store) =>
      list.map((wish) => ({ ...wish, store, isCareful: false })),
    );
    const told = await play(stores, [shared], own);
    const right = specification(shared);
    if (!isLinearizable(told.map(callOf), right)) wrong++;
    // Nothing but what a lock would have prevented: as if it had never promised versions.
    const blind = told.map(callOf).map((call) => ({ ...call, answer: unversioned(call.answer) }));
    const isRight = isLinearizable(blind, {
      initial: right.initial,
      step: (state, input) => {
        const next = right.step(state, input);
        return { state: next.state, answers: next.answers.map(unversioned) };
      },
    });
    if (!isRight) raced++;
  }
  for (const link of links) link.close();
  console.log(`${name}: ${wrong} of ${total} histories are wrong, ${raced} by a race alone`);
  // Of a session that ends at once, little can be told.
  expect(wrong).toBeGreaterThan(total / 2);
  expect(raced).toBeGreaterThan(0);
});

function unversioned<Answer extends string | undefined>(answer: Answer) {
  return answer?.replace(/^(found|updated) \d+/, "$1") ?? "";
}

function callOf({ input, answer, calledAt, returnedAt }: Told): Call<Input> {
  return answer === null
    ? { input, calledAt, answer: undefined, returnedAt: Number.POSITIVE_INFINITY }
    : { input, calledAt, answer, returnedAt };
}

async function startWorkers(url: string, prefix: string): Promise<ChildProcess[]> {
  const script = fileURLToPath(new URL("../support/history-worker.js", import.meta.url));
  // The test runner reads the sources; a plain node reads what was built.
  const start = () => fork(script, [url, prefix, ...TIMEOUTS], { execArgv: [] });
  const workers = Array.from({ length: PROCESSES }, start);
  for (const worker of workers) await heard(worker);
  return workers;
}

async function stopWorkers(workers: readonly ChildProcess[]): Promise<void> {
  for (const worker of workers) {
    const exit = once(worker, "exit");
    worker.kill("SIGKILL");
    await exit;
  }
}

/** The clients are dealt out to the processes, which begin at once. */
async function playAll(
  workers: readonly ChildProcess[],
  sessions: readonly Shared[],
  wishes: readonly (readonly Wish[])[],
): Promise<Told[]> {
  const heards = workers.map(async (worker, i) => {
    const answered = heard(worker);
    worker.send({ sessions, wishes: wishes.filter((_, n) => n % workers.length === i) });
    return answered;
  });
  return (await Promise.all(heards)).flat() as Told[];
}

async function heard(worker: ChildProcess): Promise<unknown> {
  const over = new AbortController();
  const { signal } = over;
  const exit = once(worker, "exit", { signal }).then(([code]) => {
    throw new Error(`the worker ended by itself: ${code}`);
  });
  try {
    const [message] = await Promise.race([once(worker, "message", { signal }), exit]);
    return message;
  } finally {
    over.abort();
  }
}
