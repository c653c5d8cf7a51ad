/** The built auth server as a process of its own, as an operator runs it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export interface TestServer {
  /** `http://127.0.0.1:<port>`, without slash at the end. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Once it has ended: the exit code, null if a signal ended it. */
  readonly exited: Promise<number | null>;
  /** Everything that it printed so far, on stdout and stderr. */
  output(): string;
  /** Sends a signal and waits for the end; the exit code, null if the signal ended it. */
  kill(signal: NodeJS.Signals): Promise<number | null>;
  /** Ends it, if it still runs. */
  stop(): Promise<void>;
}

export interface ServerOptions {
  /** In place of the whole environment but PATH; `PORT` defaults to a free one. */
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** The working directory: `.env` and `.data` are looked for in it. */
  readonly cwd?: string;
}

export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));
/** How long a start may take on a busy machine. Not a promise of the server's. */
const START_LIMIT_MS = 60_000;

/** Starts the server and waits until it listens. Rejects with its output if it ends instead. */
export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const { child, output } = run(options);
  const port = await listening(child, output);
  const exited = exitOf(child);
  const kill = async (signal: NodeJS.Signals): Promise<number | null> => {
    child.kill(signal);
    return exited;
  };
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    pid: child.pid ?? 0,
    exited,
    output,
    kill,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) await kill("SIGTERM");
    },
  };
}

/** Runs the server until it ends by itself, for starts that must fail. */
export async function runServer(
  options: ServerOptions,
): Promise<{ readonly code: number | null; readonly output: string }> {
  const { child, output } = run(options);
  const timer = setTimeout(() => child.kill("SIGKILL"), START_LIMIT_MS);
  const code = await exitOf(child);
  clearTimeout(timer);
  return { code, output: output() };
}

function run({ env = {}, args = [], cwd = ROOT }: ServerOptions): {
  child: ChildProcess;
  output: () => string;
} {
  const child = spawn(process.execPath, [`${ROOT}/server.js`, ...args], {
    cwd,
    env: { PATH: process.env["PATH"], PORT: "0", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
  }
  return { child, output: () => text };
}

function listening(child: ChildProcess, output: () => string): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (): void => {
      clearTimeout(timer);
      reject(new Error(`the server did not start:\n${output()}`));
    };
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      fail();
    }, START_LIMIT_MS);
    child.once("exit", fail);
    const look = (): void => {
      const port = /^Server running on port (\d+)$/m.exec(output())?.[1];
      if (port === undefined) return;
      clearTimeout(timer);
      child.off("exit", fail);
      resolve(Number(port));
    };
    // A demo says so on stdout, production on stderr: its stdout is the log.
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", look);
  });
}

async function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  await once(child, "close");
  return child.exitCode;
}
