/** Starts the server: settings, Redis, listen; and stops it gracefully. */
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import closeWithGrace from "close-with-grace";
import type { Express } from "express";
import { isSessionError } from "latchkey";
import { demoApp, productionApp } from "./assembly.ts";
import { type Backing, openDemo, openProduction } from "./backing.ts";
import { type Config, readConfig } from "./config/config.ts";
import { ConfigError, lineOf, type Notice } from "./config/rule.ts";
import type { Identity } from "./identity.ts";
import { LiveSessions } from "./live/live-sessions.ts";
import { LocalRedisError } from "./local-redis/local-redis.ts";
import { type Log, openLog } from "./log/logger.ts";
import { pause } from "./timers.ts";
import { orUnavailable } from "./users/outcomes.ts";

/** Exit codes of sysexits.h: a bad setting; something outside is not there. */
const EXIT_CONFIG = 78;
const EXIT_UNAVAILABLE = 69;
/** Requests under way may finish after the stop signal; then connections are cut. */
const DRAIN_MS = 5_000;
const IDLE_LOOK_MS = 50;
/** The whole stop, a private Redis included; then the process ends whatever is left. */
const STOP_MS = 10_000;
/** What a slow or hostile client may hold open. */
const LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  // Default: the two are looked at every 30 s only.
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 16_384,
};
const ENROLMENT_RETRY_MS = 1_000;
const STDOUT = 1;
const STDERR = 2;
/** For whoever has not read what a demo is. */
const DEMO_BANNER = "Demo profile: whoever reaches this server can log in as anyone";

async function main(): Promise<void> {
  if (existsSync(".env")) process.loadEnvFile(".env");
  const config = readConfig(process.env, process.argv.slice(2));
  const state = { isDraining: false };
  const live = new LiveSessions();
  const { profile } = config;
  // Lines for people and lines for programs, one stream each: see openLog.
  const say = profile === "demo" ? tell : warn;
  const log = openLog(profile === "demo" ? STDERR : STDOUT, { level: config.logLevel });
  const { backing, app } = await open(config, { log, live, say, state });
  const server = createServer(LIMITS, app);
  // By default Node leaves out what comes behind 2,000 lines, and a proxy's own line may stand there.
  // `maxHeaderSize` bounds them.
  server.maxHeadersCount = 0;
  server.listen(config.port, config.host);
  await once(server, "listening");
  stopWithGrace(server, backing, live, state);
  for (const warning of config.warnings) warnOf(warning);
  const { port } = server.address() as AddressInfo;
  if (profile === "demo") say(DEMO_BANNER);
  else log.write({ event: "server_started", profile, port, host: config.host });
  say(`Server running on port ${port}`);
  if (profile === "demo") say(`Try it: http://localhost:${port}/`);
}

interface Surroundings {
  readonly log: Log;
  readonly live: LiveSessions;
  readonly say: (line: string) => void;
  readonly state: { readonly isDraining: boolean };
}

/** What the server serves, and what it stands on. */
async function open(
  config: Config,
  { log, live, say, state }: Surroundings,
): Promise<{ readonly backing: Backing; readonly app: Express }> {
  const listener = { say, warn: warnOf, refused: giveUp };
  const isDraining = (): boolean => state.isDraining;
  if (config.profile === "demo") {
    const backing = await openDemo(config, listener);
    return { backing, app: demoApp(config, { backing, log, live, isDraining }) };
  }
  const backing = await openProduction(config, listener);
  const { app, identity } = productionApp(config, { backing, log, live, isDraining });
  void backing.opened.then(() => offerEnrolment(identity, say)).catch(giveUp);
  return { backing, app };
}

/**
 * Once, to whoever looks at the terminal, and only while nobody was ever a user here. A Redis that
 * cannot say so now is asked again: that it is away for a moment ends no server.
 */
async function offerEnrolment({ enrolment }: Identity, say: (line: string) => void): Promise<void> {
  const issue = () =>
    orUnavailable(async () => ({
      outcome: "asked" as const,
      token: await enrolment.issueForFirstUser(),
    }));
  let answer = await issue();
  for (; answer.outcome === "unavailable"; answer = await issue()) await pause(ENROLMENT_RETRY_MS);
  const { token } = answer;
  if (token === undefined) return;
  say(`No user yet. This enrols the first, once, within a day: POST /auth/enrol, token ${token}`);
}

function stopWithGrace(
  server: Server,
  backing: Backing,
  live: LiveSessions,
  state: { isDraining: boolean },
): void {
  closeWithGrace({ delay: STOP_MS, logger: { error: warn } }, async ({ err }) => {
    if (err) warn(err.stack ?? err.message);
    state.isDraining = true;
    const closed = once(server, "close");
    server.close();
    // Its streams would go on until they are cut.
    live.close();
    // Chrome opens sockets ahead of need and says nothing on them; close() would wait for those.
    const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
    // A connection whose last request was under way would else be kept for a next one.
    const tidy = setInterval(() => server.closeIdleConnections(), IDLE_LOOK_MS);
    await closed;
    clearInterval(tidy);
    clearTimeout(cut);
    await backing.close();
  });
}

/** One line that says what to do, and the exit code that says what kind of thing went wrong. */
function giveUp(error: unknown): never {
  if (error instanceof ConfigError) {
    for (const problem of error.problems) warn(problem);
    process.exit(EXIT_CONFIG);
  }
  if (error instanceof LocalRedisError) {
    warn(error.message);
    process.exit(EXIT_UNAVAILABLE);
  }
  if (isSessionError(error) && error.code === "invalid-option") {
    // The one option that comes from the operator as it is.
    warn(`REDIS_URL ${error.message.replace(/^url /, "")}`);
    process.exit(EXIT_CONFIG);
  }
  if (isSessionError(error) && error.code === "store-unavailable") {
    warn(`REDIS_URL: ${error.message}`);
    process.exit(EXIT_UNAVAILABLE);
  }
  if (error instanceof Error && "code" in error && "syscall" in error) {
    warn(listenProblem(String(error.code)));
    process.exit(EXIT_UNAVAILABLE);
  }
  throw error;
}

function listenProblem(code: string): string {
  if (code === "EADDRINUSE") return "PORT is already in use; choose another: PORT=3001 npm start";
  if (code === "EACCES") return "PORT is not allowed for this user; choose one above 1023";
  return `HOST or PORT cannot be listened on (${code})`;
}

function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}

function warnOf(notice: Notice): void {
  warn(`Warning: ${lineOf(notice)}`);
}

function warn(line: string): void {
  process.stderr.write(`${line}\n`);
}

await main().catch(giveUp);
