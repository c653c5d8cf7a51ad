/**
 * One Redis server as a child process that cannot outlive us, not even when we get SIGKILL.
 *
 * The child starts as a shell. It leaves a watcher behind and then becomes the Redis itself (exec),
 * so the child's pid is the pid of Redis and its exit is the exit of Redis. The watcher reads a pipe
 * that only our process holds open. Whoever dies, the others follow:
 *
 * - we die: the pipe closes, the watcher ends Redis and itself;
 * - Redis dies: we see its exit and write a newline, which tells the watcher to just leave;
 * - the watcher dies: its end of a second pipe closes, and we end Redis, because a Redis without a
 *   watcher would outlive us.
 *
 * POSIX only. The tests start their servers with this too.
 */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, statSync } from "node:fs";
import { Socket } from "node:net";
import { until } from "./deadline.ts";
import { LocalRedisError, oneLine } from "./local-redis-error.ts";
import { type Finding, probeRedis } from "./probe.ts";

/** Loading the data of an earlier run counts, so this is generous; an empty one needs 40 ms. */
export const READY_LIMIT_MS = 30_000;
/** Time for a clean exit after SIGTERM, before SIGKILL. Redis syncs its AOF in it. */
export const STOP_LIMIT_MS = 5_000;
/** Nothing survives SIGKILL for long; this only keeps a wait from lasting for ever. */
const KILL_LIMIT_MS = 2_000;
/** The log of Redis is started afresh when it is larger than this at a start. */
const LOG_MAX_BYTES = 1024 * 1024;

// fd 0: the pipe that closes when our process dies; fd 3: the pipe that closes when the watcher
// dies. A background job of a shell gets /dev/null as fd 0, so that pipe moves to 4 first. `$$` is
// the pid of the outer shell, also inside ( ): the one that becomes Redis. SIGCONT, because a
// stopped process does not see SIGTERM. Ten seconds after SIGTERM comes SIGKILL; the rounds of
// `sleep` exist only in between. A zombie, which init reaps when it pleases, passes `kill -0` but has
// no /proc/…/exe. PATH may be empty in a service.
const LAUNCH = `
PATH="$PATH:/usr/bin:/bin"
exec 4<&0 </dev/null
(
  if ! read -r goodbye <&4; then
    kill -TERM $$; kill -CONT $$
    rounds=0
    while [ $rounds -lt 100 ] && kill -0 $$ && { [ ! -e /proc/self/exe ] || [ -e /proc/$$/exe ]; }
    do sleep 0.1 || sleep 1; rounds=$((rounds + 1)); done
    kill -KILL $$
  fi
) >/dev/null 2>&1 &
exec "$@" 3>&- 4<&-
`;

export interface RedisProcessOptions {
  /** The server binary. */
  readonly binary: string;
  readonly port: number;
  /** Must exist. */
  readonly dir: string;
  readonly logFile: string;
  /** More settings of Redis, `--name value`. */
  readonly args?: readonly string[];
}

export class RedisProcess {
  readonly port: number;
  readonly pid: number;
  /** Resolves with how it ended, once its watcher has let go as well. Never rejects. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  readonly #logFile: string;
  readonly #logStart: number;
  #end: string | undefined;

  /** Starts it. Throws a LocalRedisError only when the shell cannot be started. */
  constructor(options: RedisProcessOptions) {
    this.port = options.port;
    this.#logFile = options.logFile;
    const log = openLog(options.logFile);
    this.#logStart = log.size;
    this.#child = launch(options, log.fd);
    closeSync(log.fd);
    this.ended = this.#followEnd();
    const { pid } = this.#child;
    if (pid === undefined) throw new LocalRedisError("start-failed", "/bin/sh cannot be started");
    this.pid = pid;
    letNodeExit(this.#child);
  }

  /** Its first answer. Rejects when it ends before that or is not ready in time; then it is gone. */
  async ready(): Promise<Finding> {
    const finding = await until(READY_LIMIT_MS, async () => {
      const answer = await probeRedis(this.port);
      // Checked after the answer: somebody else's Redis may have been faster to take the port.
      if (this.#end !== undefined) throw this.#startError();
      return this.#isOurs(answer) ? answer : undefined;
    });
    if (finding !== undefined) return finding;
    await this.stop();
    throw new LocalRedisError(
      "start-failed",
      `Redis did not get ready within ${READY_LIMIT_MS / 1000} s (its log: ${this.#logFile})`,
    );
  }

  /** Sends a signal to Redis; does nothing when it has ended. */
  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends it: SIGTERM, then SIGKILL. Resolves when no process of it is left. May be called twice. */
  async stop(): Promise<void> {
    const over = (): true | undefined => (this.#end === undefined ? undefined : true);
    this.kill("SIGTERM");
    this.kill("SIGCONT");
    if ((await until(STOP_LIMIT_MS, over)) === true) return;
    this.kill("SIGKILL");
    if ((await until(KILL_LIMIT_MS, over)) === true) return;
    throw new LocalRedisError("start-failed", `Redis, process ${this.pid}, cannot be killed`);
  }

  #isOurs(finding: Finding): boolean {
    if (finding.kind === "password") return true; // It cannot be asked; a test set the password.
    return (
      (finding.kind === "usable" || finding.kind === "unusable") &&
      finding.pid !== undefined &&
      finding.pid === this.pid
    );
  }

  #startError(): LocalRedisError {
    const log = readFileSync(this.#logFile).subarray(this.#logStart).toString();
    // Warnings about the machine come at every start and explain no end.
    const lines = log.split("\n").map(withoutLogPrefix).filter(isTelling);
    const taken = /address already in use/i.test(log);
    return new LocalRedisError(
      taken ? "port-taken" : "start-failed",
      taken
        ? `port ${this.port} is taken`
        : `Redis ended at once (${this.#end}): ${lines.slice(-2).join(" ")} (its log: ${this.#logFile})`,
    );
  }

  async #followEnd(): Promise<string> {
    const child = this.#child;
    const lifeline = child.stdin;
    // Writing the farewell to a watcher that is gone already is an EPIPE, and no loss.
    lifeline?.on("error", () => {});
    const watcherGone = new Promise<void>((resolve) => {
      const pipe = child.stdio[3];
      if (!(pipe instanceof Socket)) return resolve();
      pipe.on("error", () => {}); // A broken pipe says the same as a closed one: "close" follows.
      pipe.on("close", () => {
        child.kill("SIGTERM"); // Without its watcher it would outlive us. No effect when it is gone.
        resolve();
      });
      pipe.resume();
    });
    const how = await new Promise<string>((resolve) => {
      child.on("error", (error) => resolve(error.message));
      child.on("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
    lifeline?.end("\n");
    await watcherGone;
    this.#end = oneLine(how);
    return this.#end;
  }
}

function launch(options: RedisProcessOptions, logFd: number): ChildProcess {
  const settings = [
    ...["--port", String(options.port), "--bind", "127.0.0.1", "--dir", options.dir],
    // Redis must stay our child: what detaches itself can no longer be followed.
    ...["--daemonize", "no"],
    ...(options.args ?? []),
  ];
  const how: SpawnOptions = {
    // Its own session: Ctrl-C in the terminal must not end Redis before the server has drained.
    detached: true,
    // Redis logs to its standard output, so complaints about its settings land in the log as well.
    stdio: ["pipe", logFd, logFd, "pipe"],
    cwd: options.dir,
  };
  return spawn("/bin/sh", ["-c", LAUNCH, "sh", options.binary, ...settings], how);
}

function openLog(path: string): { fd: number; size: number } {
  const before = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const fd = openSync(path, before > LOG_MAX_BYTES ? "w" : "a", 0o600);
  return { fd, size: before > LOG_MAX_BYTES ? 0 : before };
}

/** A process that has nothing left to do but hold a Redis may end, and Redis with it. */
function letNodeExit(child: ChildProcess): void {
  child.unref();
  for (const pipe of [child.stdin, child.stdio[3]]) if (pipe instanceof Socket) pipe.unref();
}

function isTelling(line: string): boolean {
  return line !== "" && !line.startsWith("WARNING");
}

/** `12:M 01 Jan 2026 10:00:00.000 # text` without what stands before the text. */
function withoutLogPrefix(line: string): string {
  return line.replace(/^\d+:\w+ .{24} [.\-*#] /, "").trim();
}
