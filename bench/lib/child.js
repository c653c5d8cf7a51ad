/** A process of its own for whatever is measured, asked by messages. */
import { fork } from "node:child_process";

/** @param options `execArgv` for its Node.js, `args` for the module */
export function startChild(module, { execArgv = [], args = [], name = "child" } = {}) {
  // BENCH_PROF=<folder>: each child leaves a CPU profile there when it ends.
  const folder = process.env.BENCH_PROF;
  const profile = folder
    ? [
        "--cpu-prof",
        `--cpu-prof-dir=${folder}`,
        `--cpu-prof-name=${name.replace(/\W+/g, "-")}.cpuprofile`,
      ]
    : [];
  const child = fork(module, args, {
    execArgv: [...execArgv, ...profile],
    env: { ...process.env, NODE_ENV: "production" },
  });
  const waiting = new Map();
  let last = 0;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.on("message", ({ id, result, error }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(result);
    else reject(new Error(`${name}: ${error}`));
  });
  child.once("exit", (code) => {
    for (const { reject } of waiting.values()) reject(new Error(`${name} ended with ${code}`));
  });
  return {
    pid: child.pid,
    ask: (verb, ...values) =>
      new Promise((resolve, reject) => {
        waiting.set(++last, { resolve, reject });
        child.send({ id: last, verb, values });
      }),
    stop: async () => {
      child.disconnect();
      await ended;
    },
  };
}

/** In the child: what it can be asked. It ends when the parent lets go. */
export function answerParent(verbs) {
  process.on("message", async ({ id, verb, values }) => {
    try {
      process.send({ id, result: await verbs[verb](...values) });
    } catch (error) {
      process.send({ id, error: error.stack ?? String(error) });
    }
  });
  process.on("disconnect", () => process.exit());
}
