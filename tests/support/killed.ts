/** A process that is killed while it works: what it leaves behind is what a crash leaves. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/**
 * Runs a script of this folder until `isEnough` says so of one of its messages, then kills it at once.
 *
 * @param isEnough may take its time: the process works on meanwhile
 */
export async function killAmid(
  script: string,
  args: readonly string[],
  isEnough: (message: unknown) => boolean | Promise<boolean>,
): Promise<void> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  // The test runner reads the sources; a plain node reads what was built.
  const worker: ChildProcess = fork(path, [...args], { execArgv: [] });
  const exit = once(worker, "exit");
  // A queue: two messages may arrive in one turn, and `once` would miss the second.
  const told: unknown[] = [];
  let wake = (): void => {};
  worker.on("message", (message) => {
    told.push(message);
    wake();
  });
  for (;;) {
    while (told.length === 0) {
      const next = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const ended = exit.then(([code]) => Promise.reject(new Error(`the worker ended: ${code}`)));
      await Promise.race([next, ended]);
    }
    if (await isEnough(told.shift())) break;
  }
  worker.kill("SIGKILL");
  await exit;
}
