/**
 * Random requests at every adapter: whatever comes, no 5xx, no crash, no rejection that nobody
 * handles, and not one Redis command for what cannot be a token. 50,000 requests per adapter in the
 * long run.
 */
import { Agent, request as openRequest } from "node:http";
import { createSessions, isSessionError, type SessionManager } from "latchkey";
import { redisStore } from "latchkey/redis";
import type { Route, Served } from "latchkey/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ADAPTERS } from "./support/adapter-apps.ts";
import { rawRequest } from "./support/raw-http.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { connectResp, type Resp } from "./support/resp.ts";
import { Dice, rounds } from "./support/rounds.ts";
import { freshPrefix, PATIENT } from "./support/stores.ts";

const REQUESTS = 50_000;
/** Bytes on the wire that no client library would send; each takes a connection of its own. */
const RAW_REQUESTS = 500;
const LANES = 8;
const LONG_TEST_MS = 20 * 60_000;

let redis: TestRedis;
let resp: Resp;
const unhandled: unknown[] = [];
const note = (error: unknown): number => unhandled.push(error);

beforeAll(async () => {
  redis = await startRedis();
  resp = await connectResp(redis.port);
  process.on("unhandledRejection", note);
});

afterAll(async () => {
  process.off("unhandledRejection", note);
  resp?.close();
  await redis?.stop();
});

const ROUTES: Record<string, Route> = {
  "/login": { handle: (session) => told(session.login("ada", { generation: 0 })) },
  "/logout": { handle: (session) => told(session.logout()) },
  "/rotate": { handle: (session) => told(session.rotate()) },
  "/me": { requires: "session", handle: ({ user }) => ({ body: user ?? "" }) },
  "/fresh": { requires: { maxAge: "1h" }, handle: () => ({ body: "fresh" }) },
  "/leave": {
    handle: ({ data }) => {
      data["left"] = Object.keys(data).length;
      return { status: 303, headers: { Location: "/me" } };
    },
  },
};

interface Fuzzed {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly string[];
  readonly body: Buffer;
}

describe.each(Object.keys(ADAPTERS))("%s", (name) => {
  test("no random request is more than a 4xx", { timeout: LONG_TEST_MS }, async () => {
    const dice = new Dice();
    const store = await redisStore({ url: redis.url, prefix: freshPrefix(), callTimeout: PATIENT });
    const sessions = createSessions({ store, warn: () => {} });
    const tokens = await Promise.all(Array.from({ length: 20 }, () => tokenOf(sessions)));
    const served = await ADAPTERS[name]?.({ sessions, options: {}, routes: ROUTES });
    if (served === undefined) throw new Error("served nothing");
    try {
      const count = Math.ceil(rounds(REQUESTS) / 2);
      await resp.command("CONFIG", "RESETSTAT");
      // Nothing in these could be a token, and none of these routes begins a session.
      await fire(served, dice, count, () => fuzzed(dice, [], ["/me", "/fresh", "/logout", "/x"]));
      expect(await redisCalls()).toBe(0);
      const routes = [...Object.keys(ROUTES), "/", "/%", "/me/", "//me", "/__proto__", "*"];
      const statuses = await fire(served, dice, count, () => fuzzed(dice, tokens, routes));
      // Not all of them fail at the door.
      expect([...statuses]).toEqual(expect.arrayContaining([200, 204, 303, 401, 403, 404]));
      for (let i = 0; i < rounds(RAW_REQUESTS); i++) {
        const [lines, body] = [rawLines(dice, tokens), bytes(dice, 40)];
        const answer = await rawRequest(served.port, lines, body);
        expect(answer.status, `seed ${dice.seed}: ${JSON.stringify(lines)}`).toBeLessThan(500);
      }
      expect(unhandled, `seed ${dice.seed}`).toEqual([]);
      console.log(`${name}: ${2 * count} requests, seed ${dice.seed}`);
    } finally {
      await served.close();
      await store.close();
    }
  });
});

async function fire(
  { port }: Served,
  dice: Dice,
  count: number,
  next: () => Fuzzed,
): Promise<ReadonlySet<number>> {
  const statuses = new Set<number>();
  const agent = new Agent({ keepAlive: true, maxSockets: LANES });
  // Drawn before they are sent, so that a seed gives the same ones.
  const requests = Array.from({ length: count }, next);
  const lane = async (): Promise<void> => {
    for (let fuzz = requests.pop(); fuzz !== undefined; fuzz = requests.pop()) {
      const status = await send(port, agent, fuzz);
      statuses.add(status);
      if (status >= 500) {
        const { body, ...head } = fuzz;
        const text = JSON.stringify({ ...head, body: body.toString("latin1") });
        expect.fail(`${status} for ${text}, seed ${dice.seed}`);
      }
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  agent.destroy();
  return statuses;
}

/** The status; 0 if the server closed the connection without one. */
function send(
  port: number,
  agent: Agent,
  { method, path, headers, body }: Fuzzed,
): Promise<number> {
  return new Promise((resolve) => {
    const request = openRequest({
      ...{ host: "127.0.0.1", port, path, method, agent },
      headers: ["Content-Length", String(body.length), ...headers],
    });
    request.once("error", () => resolve(0));
    request.once("response", (response) => {
      response.resume().once("close", () => resolve(response.statusCode ?? 0));
    });
    request.end(body);
  });
}

const METHODS = [
  "GET",
  "GET",
  "POST",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "HEAD",
  "OPTIONS",
  "QUERY",
];
const TYPES = [
  "application/json",
  "text/plain",
  "application/x-www-form-urlencoded",
  "",
  "x/y;z=\xe9",
];
const SITES = ["same-origin", "same-site", "cross-site", "none", "", "nonsense", "\xff"];
const ORIGINS = [
  "null",
  "https://evil.example",
  "http://localhost",
  "http://[",
  "",
  "\xa0",
  "data:,",
];

function fuzzed(dice: Dice, tokens: readonly string[], paths: readonly string[]): Fuzzed {
  const headers: string[] = [];
  const add = (name: string, value: string): number => headers.push(name, value);
  add("Host", dice.pick(["localhost", "a.example:1", "127.0.0.1", "localhost:80"]));
  const credential = (): string => mutated(dice, tokens);
  if (dice.below(3) === 0) add(dice.pick(["x-session-id", "X-SESSION-ID"]), credential());
  if (dice.below(9) === 0) add("X-Session-Id", credential());
  if (dice.below(4) === 0) {
    add(
      "Authorization",
      `${dice.pick(["Bearer ", "bearer\t", "Basic ", "", "Bearer  "])}${credential()}`,
    );
  }
  if (dice.below(2) === 0) add("Cookie", cookies(dice, credential));
  if (dice.below(9) === 0) add("cookie", cookies(dice, credential));
  if (dice.below(3) === 0) add("Sec-Fetch-Site", dice.pick(SITES));
  if (dice.below(3) === 0) add("Origin", dice.pick(ORIGINS));
  if (dice.below(3) === 0) add("Content-Type", dice.pick(TYPES));
  if (dice.below(9) === 0)
    add(dice.pick(["__proto__", "constructor", "if-none-match"]), text(dice));
  const method = dice.pick(METHODS);
  const hasBody = method !== "GET" && method !== "HEAD" && dice.below(2) === 0;
  return { method, path: dice.pick(paths), headers, body: bytes(dice, hasBody ? 200 : 0) };
}

function cookies(dice: Dice, credential: () => string): string {
  const names = [
    "__Host-sid",
    "__Host-sid",
    " __Host-sid",
    "\xa0__Host-sid",
    "sid",
    "=__Host-sid",
    "",
  ];
  const pairs = Array.from({ length: dice.below(4) }, () => {
    return `${dice.pick(names)}${dice.pick(["=", "=", " = ", ""])}${credential()}`;
  });
  return pairs.join(dice.pick([";", "; ", ";;", ", ", "\t;"]));
}

/** A token, or one with something done to it. Without tokens: nothing that could be one. */
function mutated(dice: Dice, tokens: readonly string[]): string {
  if (tokens.length === 0) return dice.pick([text(dice), "A".repeat(dice.below(57)), "", "x, y"]);
  const token = dice.pick(tokens);
  const at = dice.below(token.length);
  switch (dice.below(6)) {
    case 0:
      return text(dice);
    case 1:
      return token.slice(0, at);
    case 2:
      return `${token.slice(0, at)}${dice.pick(["A", "%41", "\xe9", " ", "."])}${token.slice(at + 1)}`;
    case 3:
      return `"${token}"`;
    default:
      return token;
  }
}

/** Up to 80 characters that a header may have. */
function text(dice: Dice): string {
  const codes = Array.from({ length: dice.below(80) }, () => 0x20 + dice.below(0xe0));
  return String.fromCharCode(...codes.filter((code) => code !== 0x7f));
}

function bytes(dice: Dice, most: number): Buffer {
  return Buffer.from(
    Array.from({ length: most === 0 ? 0 : dice.below(most) }, () => dice.below(256)),
  );
}

/** Header lines that Node's parser may refuse; no line break but between them. */
function rawLines(dice: Dice, tokens: readonly string[]): string[] {
  const line = (): string => {
    const noise = bytes(dice, 60)
      .toString("latin1")
      .replace(/[\r\n]/g, "");
    const names = ["Cookie: __Host-sid=", "x-session-id:", "Authorization: Bearer ", "Origin:", ""];
    return `${dice.pick(names)}${dice.pick([noise, mutated(dice, tokens), `${noise};${noise}`])}`;
  };
  const method = dice.pick(["GET", "POST", "TRACE", "get", "G\xe9T", "DELETE"]);
  return [`${method} /me HTTP/1.1`, ...Array.from({ length: dice.below(4) }, line)];
}

async function told(verb: Promise<unknown>) {
  try {
    await verb;
    return { status: 204 };
  } catch (error) {
    return { status: isSessionError(error) ? error.status : 500 };
  }
}

async function tokenOf(sessions: SessionManager): Promise<string> {
  const none = { headers: () => [], responseHeader: () => [], setResponseHeader: () => {} };
  const session = await sessions.open({ ...none, method: "GET", scheme: "https" });
  return (await session.login("ada", { transport: "header" })).token;
}

/** Commands for requests: the store asks every second whether its connection still answers. */
async function redisCalls(): Promise<number> {
  const stats = String(await resp.command("INFO", "commandstats"));
  const calls = [...stats.matchAll(/^cmdstat_(\S+?):calls=(\d+)/gm)];
  return calls
    .filter(([, command = ""]) => !/^(info|config.*|eval)$/.test(command))
    .reduce((sum, [, , count]) => sum + Number(count), 0);
}
