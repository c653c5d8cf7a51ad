/** Runs one program to its end, without a terminal, within a time limit. */
import { spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, resolve } from "node:path";
import { alarm } from "./deadline.ts";
import { oneLine } from "./local-redis-error.ts";

export interface CommandOutcome {
  readonly ok: boolean;
  /** The end of what it printed; without any output, how it ended. */
  readonly output: string;
}

/** Enough for a version or the last complaint of a package manager. */
const OUTPUT_MAX_CHARS = 4_000;

/** Never rejects: a program that is missing or too slow is an outcome like a failed one. */
export async function runCommand(
  argv: readonly [string, ...string[]],
  limitMs: number,
): Promise<CommandOutcome> {
  const [program, ...args] = argv;
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const finish = (ok: boolean, ending: string): void => {
      disarm();
      resolve({ ok, output: output.trim() || oneLine(ending) });
    };
    const disarm = alarm(limitMs, () => {
      // SIGTERM only: a package manager that is killed outright leaves a broken database behind.
      child.kill("SIGTERM");
      child.stdout.destroy();
      child.stderr.destroy();
      child.unref();
      finish(false, `took longer than ${limitMs / 1000} s`);
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text: string) => {
        output = (output + text).slice(-OUTPUT_MAX_CHARS);
      });
    }
    child.on("error", (error) => finish(false, error.message));
    child.on("close", (code, signal) => finish(code === 0, signal ?? `exit code ${code}`));
  });
}

/** Where a program is, as a shell would find it. */
export function findOnPath(name: string): string | undefined {
  const { PATH = "" } = process.env;
  const folders = PATH.split(delimiter).filter(Boolean);
  return folders.map((folder) => resolve(folder, name)).find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false; // Not there, or not for us.
  }
}
