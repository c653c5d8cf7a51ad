/** Starts the server: settings, Redis, listen; and stops it gracefully. */
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import closeWithGrace from "close-with-grace";
import type { Express } from "express";
import { createSessions, isSessionError, type SessionManager, type SessionStore } from "latchkey";
import { createApp } from "./app.ts";
import { type Backing, openDemo, openProduction } from "./backing.ts";
import { type Config, ownHosts, readConfig } from "./config/config.ts";
import { ConfigError, lineOf, type Notice } from "./config/rule.ts";
import { LocalRedisError } from "./local-redis/local-redis.ts";

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
/** For whoever has not read what a demo is. */
const DEMO_BANNER = "Demo profile: whoever reaches this server can log in as anyone";

async function main(): Promise<void> {
  if (existsSync(".env")) process.loadEnvFile(".env");
  const config = readConfig(process.env, process.argv.slice(2));
  const backing = await openBacking(config);
  const state = { isDraining: false };
  const server = createServer(LIMITS, buildApp(config, backing, state));
  server.listen(config.port, config.host);
  await once(server, "listening");
  stopWithGrace(server, backing, state);
  for (const warning of config.warnings) warnOf(warning);
  const { port } = server.address() as AddressInfo;
  if (config.profile === "demo") say(DEMO_BANNER);
  say(`Server running on port ${port}`);
  if (config.profile === "demo") say(`Try it: http://localhost:${port}/`);
}

function openBacking(config: Config): Promise<Backing> {
  const listener = { say, warn: warnOf, refused: giveUp };
  return config.profile === "demo" ? openDemo(config, listener) : openProduction(config, listener);
}

function buildApp(
  config: Config,
  { store, kind, ping }: Backing,
  state: { readonly isDraining: boolean },
): Express {
  return createApp({
    profile: config.profile,
    isOwnHost: ownHosts(config),
    sessions: sessionsOf(config, store),
    health: { store: kind, isDraining: () => state.isDraining, checkStore: ping },
    log: warn,
  });
}

function sessionsOf(config: Config, store: SessionStore): SessionManager {
  if (config.profile === "demo") {
    return createSessions({
      store,
      layout: "literal",
      absoluteTimeout: `${config.sessionTtlSeconds}s`,
      cookie: { name: "sid", secure: false },
    });
  }
  return createSessions({
    store,
    layout: "split",
    idleTimeout: `${config.idleSeconds}s`,
    absoluteTimeout: `${config.absoluteSeconds}s`,
    maxPerUser: config.maxPerUser,
    // A proxy may ask for us by another name than browsers do.
    trustedOrigins: [config.publicOrigin],
    cookie: { name: "__Host-sid", secure: true },
  });
}

function stopWithGrace(server: Server, backing: Backing, state: { isDraining: boolean }): void {
  closeWithGrace({ delay: STOP_MS, logger: { error: warn } }, async ({ err }) => {
    if (err) warn(err.stack ?? err.message);
    state.isDraining = true;
    const closed = once(server, "close");
    server.close();
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

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function warnOf(notice: Notice): void {
  warn(`Warning: ${lineOf(notice)}`);
}

function warn(line: string): void {
  process.stderr.write(`${line}\n`);
}

await main().catch(giveUp);
