/** Starts the server: settings, Redis, listen; and stops it gracefully. */
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import closeWithGrace from "close-with-grace";
import type { Express } from "express";
import { createSessions, isSessionError, type SessionStore } from "latchkey";
import { memoryStore } from "latchkey/memory";
import { createApp } from "./app.ts";
import { type Config, ConfigError, isOwnHost, readConfig } from "./config.ts";
import { LiveSessions } from "./live/live-sessions.ts";
import { bringUpRedis, LocalRedisError } from "./local-redis/local-redis.ts";
import { connectRedis } from "./redis.ts";

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
const DATA_DIR = ".data";

/** Where sessions are kept, and what to let go of at the end. */
interface Backing {
  readonly kind: "redis" | "memory";
  readonly store: SessionStore;
  ping(): Promise<void>;
  close(): Promise<void>;
}

async function main(): Promise<void> {
  if (existsSync(".env")) process.loadEnvFile(".env");
  const config = readConfig(process.env, process.argv.slice(2));
  const backing = await openBacking(config);
  const state = { isDraining: false };
  const live = new LiveSessions();
  const server = createServer(LIMITS, buildApp(config, backing, live, state));
  server.listen(config.port, config.host);
  await once(server, "listening");
  stopWithGrace(server, backing, live, state);
  const { port } = server.address() as AddressInfo;
  say(`Server running on port ${port}`);
  say(`Try it: http://localhost:${port}/`);
}

function buildApp(
  config: Config,
  { store, kind, ping }: Backing,
  live: LiveSessions,
  state: { readonly isDraining: boolean },
): Express {
  return createApp({
    isOwnHost: (host) => isOwnHost(config, host),
    sessions: createSessions({
      store,
      onEvent: (event) => live.hear(event),
      layout: "literal",
      absoluteTimeout: `${config.sessionTtlSeconds}s`,
      cookie: { name: "sid", secure: false },
    }),
    live,
    health: { store: kind, isDraining: () => state.isDraining, checkStore: ping },
    log: warn,
  });
}

/** The configured Redis, else one of this machine, else (only when asked for) none. */
async function openBacking({
  memory,
  redisUrl,
  sessionPrefix,
  nearCacheEntries,
  allowInstall,
}: Config): Promise<Backing> {
  if (memory) {
    warn("--memory: NO REDIS. Sessions end with this process, and no other server sees them.");
    const store = memoryStore();
    return { kind: "memory", store, ping: async () => {}, close: () => store.close() };
  }
  const local =
    redisUrl === undefined
      ? await bringUpRedis({ dataDir: DATA_DIR, allowInstall, say })
      : undefined;
  const redis = await connectRedis(
    { url: local?.url ?? redisUrl ?? "", prefix: sessionPrefix, nearCacheEntries },
    say,
  );
  say("Connected to Redis");
  return {
    kind: "redis",
    store: redis.store,
    ping: redis.ping,
    async close() {
      await redis.close();
      await local?.stop();
    },
  };
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

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function warn(line: string): void {
  process.stderr.write(`${line}\n`);
}

await main().catch(giveUp);
