/**
 * LOG-6: a reader that does not read, has gone, or a full disk: the log loses lines and says how
 * many, and nobody waits. `process.stderr.write` would stop this whole process in the first test.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, constants, existsSync, mkdtempSync, openSync, read, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BUFFER_MAX_CHARS } from "../apps/server/src/log/line-output.ts";
import { type OpenLog, openLog } from "../apps/server/src/log/logger.ts";
import { until } from "./support/until.ts";

const LINE_CHARS = 200;
const MORE_THAN_FITS = Math.ceil(BUFFER_MAX_CHARS / LINE_CHARS) + 5_000;
const LOGGER = new URL("../apps/server/dist/log/logger.js", import.meta.url).href;

let folder: string;
let pipes = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "latchkey-log-"));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

test("a reader that has stopped stops nobody; afterwards the log says what is missing", async () => {
  const { path, fd } = pipe(constants.O_RDWR);
  const log = openLog(fd);
  talk(log, MORE_THAN_FITS);
  // We are here, with nobody reading: so nobody was waited for.
  expect(log.lost).toBeGreaterThan(0);
  const lines = await readUntil(path, /"log_lines_lost"/);
  const counts = lines.filter((line) => line["event"] === "log_lines_lost");
  expect(counts.map((line) => line["count"])).toEqual([log.lost]);
  expect(lines.length - counts.length + log.lost).toBe(MORE_THAN_FITS);
  closeSync(fd);
});

test("a descriptor that is full for now loses nothing", async () => {
  const { path, fd } = pipe(constants.O_RDWR | constants.O_NONBLOCK);
  const log = openLog(fd);
  talk(log, 5_000);
  talk(log, 1, "last");
  const lines = await readUntil(path, /"last"/);
  expect(lines).toHaveLength(5_001);
  expect(log.lost).toBe(0);
  closeSync(fd);
});

test("a reader that has gone costs the lines meanwhile; a new one hears how many", async () => {
  const { path, fd: first } = pipe(constants.O_RDONLY | constants.O_NONBLOCK);
  const fd = openSync(path, constants.O_WRONLY);
  closeSync(first);
  const log = openLog(fd);
  talk(log, 3);
  await until(() => log.lost === 3);
  const reading = readUntil(path, /"log_lines_lost"/);
  await until(() => {
    talk(log, 1);
    return log.lost > 3 || hasReader;
  });
  const lines = await reading;
  expect(lines.at(-1)).toMatchObject({ event: "log_lines_lost", level: "error", count: log.lost });
  closeSync(fd);
});

test.skipIf(!existsSync("/dev/full"))("a full disk costs the lines, and no more", async () => {
  const fd = openSync("/dev/full", "w");
  const log = openLog(fd);
  talk(log, 10);
  await until(() => log.lost === 10);
  talk(log, 10);
  await until(() => log.lost === 20);
  closeSync(fd);
});

test.each([
  ["stdout", 1],
  ["stderr", 2],
])("what is waiting at the end of the process is written, on %s alone", (_name, fd) => {
  const code = `
    const { openLog } = await import(${JSON.stringify(LOGGER)});
    const log = openLog(${fd});
    for (let i = 0; i < 100; i += 1) log.write({ event: "redis_connected" });
    log.write({ event: "server_stopping" });
    process.exit(3);`;
  const ended = spawnSync(process.execPath, ["--input-type=module", "-e", code]);
  const [own, other] = fd === 1 ? [ended.stdout, ended.stderr] : [ended.stderr, ended.stdout];
  expect(ended.status).toBe(3);
  expect(other.toString()).toBe("");
  const lines = own.toString().trimEnd().split("\n");
  expect(lines).toHaveLength(101);
  expect(lines.at(-1)).toContain("server_stopping");
});

/** Set as soon as `readUntil` has opened its end of a pipe. */
let hasReader = false;

function talk(log: OpenLog, count: number, word = "x"): void {
  const route = word.padEnd(100, ".");
  for (let i = 0; i < count; i += 1) {
    log.write({
      ...{ event: "request_failed", status: 500, code: word, route, method: "GET" },
      ...{ requestId: "r1", where: undefined, userAgent: undefined, error: { chain: "x", at: [] } },
    });
  }
}

function pipe(flags: number): { readonly path: string; readonly fd: number } {
  pipes += 1;
  const path = join(folder, `pipe-${pipes}`);
  execFileSync("mkfifo", [path]);
  return { path, fd: openSync(path, flags) };
}

/** Reads lines, without holding a thread while there are none. */
async function readUntil(path: string, mark: RegExp): Promise<Record<string, unknown>[]> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  hasReader = true;
  const chunk = Buffer.alloc(65_536);
  let text = "";
  await until(async () => {
    const { bytesRead } = await promisify(read)(fd, chunk, 0, chunk.length, null).catch(() => ({
      bytesRead: 0,
    }));
    text += chunk.toString("latin1", 0, bytesRead);
    const line = text.search(mark);
    return line !== -1 && text.indexOf("\n", line) !== -1;
  });
  closeSync(fd);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}
