/** A server process as far as Redis is concerned: it brings one up and then does nothing. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { ROOT } from "./server.ts";

export interface BringUpOptions {
  readonly dataDir: string;
  readonly port: number;
  readonly allowInstall?: boolean;
  /** Default: that of the test. */
  readonly path?: string;
}

export interface RedisUser {
  readonly pid: number;
  /** The port of the Redis that it uses. */
  readonly port: number;
  readonly description: string;
  /** What it said so far. */
  said(): string;
  /** SIGKILL; resolves when the process is gone. Its Redis may need a moment more. */
  kill(): Promise<void>;
  /** Lets it stop in an orderly way. */
  stop(): Promise<void>;
}

const SCRIPT = `
const { bringUpRedis } = await import(process.argv[1]);
const tell = (message) => console.log(JSON.stringify(message));
const options = { ...JSON.parse(process.argv[2]), say: (said) => tell({ said }) };
try {
  const redis = await bringUpRedis(options);
  process.once("SIGTERM", () => void redis.stop().then(() => process.exit(0)));
  tell({ url: redis.url, description: redis.description });
  process.stdin.resume().once("end", () => process.exit(1));
} catch (error) {
  tell({ error: error.name + ": " + error.message });
}`;
const MODULE = pathToFileURL(`${ROOT}/apps/server/dist/local-redis/local-redis.js`).href;

/** Rejects with what the start rejected with, and what was said before. */
export async function bringUpInChild(options: BringUpOptions): Promise<RedisUser> {
  const { path = process.env["PATH"], ...rest } = options;
  const settings = JSON.stringify({ allowInstall: false, ...rest });
  const child = spawn(
    process.execPath,
    ["--input-type=module", "-e", SCRIPT, MODULE, settings],
    // Its standard input ends with the test process, and it with that.
    { stdio: ["pipe", "pipe", "inherit"], env: { PATH: path } },
  );
  const gone = once(child, "exit");
  const lines: string[] = [];
  const { url, description } = await outcome(child, lines);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await gone;
  };
  return {
    pid: child.pid ?? 0,
    port: Number(new URL(url).port),
    description,
    said: () => lines.join("\n"),
    kill: async () => end("SIGKILL"),
    stop: async () => end("SIGTERM"),
  };
}

interface Message {
  readonly said?: string;
  readonly error?: string;
  readonly url?: string;
  readonly description?: string;
}

async function outcome(
  child: ChildProcess,
  lines: string[],
): Promise<{ url: string; description: string }> {
  const { stdout } = child;
  if (stdout === null) throw new Error("a child without standard output");
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => reject(new Error([...lines, why].join("\n")));
    const reader = createInterface(stdout);
    reader.on("close", () => fail("it ended without an outcome; is the server built?"));
    reader.on("line", (line) => {
      const message: Message = JSON.parse(line);
      if (message.said !== undefined) lines.push(message.said);
      if (message.error !== undefined) fail(message.error);
      const { url, description } = message;
      if (url !== undefined && description !== undefined) resolve({ url, description });
    });
  });
}
