/**
 * Two servers on one real Redis, for recipes: sequences of requests that break other libraries. The
 * servers share nothing but the data, and each has a wire on which single commands can be held.
 *
 * What is said of peers was seen with express-session 1.19.0 and connect-redis 10.0.0,
 * @fastify/session 11.1.3, koa-session 7.0.2 and koa-redis 4.0.1, @hono/session 0.2.1, hono-sessions
 * 0.8.1, iron-session 9.0.1, better-auth 1.7.25, @adonisjs/session 8.1.0, react-router 8.5.1.
 */
import {
  createSessions,
  type Login,
  type LoginOptions,
  type Session,
  type SessionEvent,
  type SessionManager,
  type SessionStore,
  type SessionsOptions,
} from "latchkey";
import { redisStore } from "latchkey/redis";
import { createClient } from "redis";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { type Keyspace, keyspace } from "./redis-keyspace.ts";
import { startRedis, type TestRedis } from "./redis-server.ts";
import { connectResp, type Resp } from "./resp.ts";
import { exchange } from "./sessions.ts";
import { freshPrefix, PATIENT } from "./stores.ts";

export interface Server {
  readonly sessions: SessionManager;
  readonly store: SessionStore;
  readonly wire: Wire;
  readonly events: readonly SessionEvent[];
  logIn(user: string, options?: LoginOptions): Promise<Login>;
  /** The session of one request that presents this token, or none. */
  request(token?: string): Promise<Session>;
}

export interface TwoServers {
  readonly a: Server;
  readonly b: Server;
  readonly space: Keyspace;
  readonly prefix: string;
  readonly resp: Resp;
}

/** A fresh prefix by default. */
export type Wishes = Partial<Omit<SessionsOptions, "store">> & { readonly prefix?: string };

/** One Redis for all tests of a file, and what opens two servers on it within a test. */
export function useTwoServers(): (wishes?: Wishes) => Promise<TwoServers> {
  let redis: TestRedis | undefined;
  let resp: Resp | undefined;
  const wires: Wire[] = [];
  beforeAll(async () => {
    redis = await startRedis();
    resp = await connectResp(redis.port);
  });
  afterEach(() => {
    for (const wire of wires.splice(0)) wire.close();
  });
  afterAll(async () => {
    resp?.close();
    await redis?.stop();
  });
  return async ({ prefix = freshPrefix(), ...options } = {}) => {
    if (redis === undefined || resp === undefined) throw new Error("Redis runs only during tests");
    const { url } = redis;
    const server = async (): Promise<Server> => {
      const wire = new Wire(await createClient({ url }).connect());
      wires.push(wire);
      const store = await redisStore({ client: wire, prefix, callTimeout: PATIENT });
      return serverOn(store, wire, options);
    };
    return { a: await server(), b: await server(), space: keyspace([resp], prefix), prefix, resp };
  };
}

function serverOn(store: SessionStore, wire: Wire, options: Omit<Wishes, "prefix">): Server {
  const events: SessionEvent[] = [];
  const onEvent = (event: SessionEvent): number => events.push(event);
  const sessions = createSessions({ onEvent, ...options, store });
  const request = (token?: string): Promise<Session> =>
    sessions.open(exchange(token === undefined ? {} : { "x-session-id": token }));
  const logIn = async (user: string, wishes?: LoginOptions): Promise<Login> =>
    (await request()).login(user, wishes);
  return { sessions, store, wire, events, logIn, request };
}

/** A command that is held back. */
export interface Gate {
  /** Resolves once the command is about to be sent. */
  readonly reached: Promise<void>;
  /** Sends it. */
  release(): void;
  /** Never sends it: its sender is told that the connection was lost. */
  cut(): void;
}

interface Client {
  sendCommand(args: string[]): Promise<unknown>;
  destroy(): void;
}

/** A client of Redis whose commands are seen, and held where a test says so. */
export class Wire {
  readonly isReady = true;
  readonly sent: string[][] = [];
  readonly #client: Client;
  readonly #gates = new Map<number, (go: () => void, fail: (error: Error) => void) => void>();
  #steps = 0;

  constructor(client: Client) {
    this.#client = client;
  }

  /** What the store does with a connection that it has given up. The tests give none up. */
  destroy(): void {
    this.close();
  }

  async connect(): Promise<void> {}

  /** @param after how many commands pass before the one that is held */
  hold(after = 0): Gate {
    const settle: { go?: () => void; fail?: (error: Error) => void } = {};
    const reached = new Promise<void>((resolve) => {
      this.#gates.set(this.#steps + after, (go, fail) => {
        Object.assign(settle, { go, fail });
        resolve();
      });
    });
    return {
      reached,
      release: () => settle.go?.(),
      cut: () => settle.fail?.(new Error("the connection was lost")),
    };
  }

  async sendCommand(args: string[]): Promise<unknown> {
    this.sent.push(args);
    // EVAL repeats an EVALSHA that this Redis had not learnt yet: the same step again.
    const gate = args[0] === "EVAL" ? undefined : this.#gates.get(this.#steps++);
    if (gate !== undefined) await new Promise<void>(gate);
    return this.#client.sendCommand(args);
  }

  close(): void {
    this.#client.destroy();
  }
}

/** What Redis itself did for some work, scripts included: command → calls. */
export async function calls(
  resp: Resp,
  work: () => Promise<unknown>,
): Promise<{ readonly all: Readonly<Record<string, number>>; readonly writes: string[] }> {
  await resp.command("CONFIG", "RESETSTAT");
  await work();
  const stats = String(await resp.command("INFO", "commandstats"));
  const found = [...stats.matchAll(/^cmdstat_(\S+):calls=(\d+)/gm)]
    .map(([, name = "", count]): [string, number] => [name, Number(count)])
    .filter(([name]) => name !== "config|resetstat");
  const infos = await resp.command("COMMAND", "INFO", ...found.map(([name]) => name));
  const writes = found.filter((_, i) => JSON.stringify([infos].flat()[i]).includes('"write"'));
  return { all: Object.fromEntries(found), writes: writes.map(([name]) => name) };
}

/** Neither server takes the token, and Redis keeps nothing more under the prefix. */
export async function expectNothingLeft({ a, b, space }: TwoServers, token: string): Promise<void> {
  for (const server of [a, b]) expect((await server.request(token)).status).toBe("invalid");
  expect((await space.keys()).filter((key) => !key.endsWith(":barrier"))).toEqual([]);
}

/** How many of these tokens the server takes. */
export async function alive(server: Server, tokens: readonly string[]): Promise<number> {
  const answers = await Promise.all(tokens.map((token) => server.sessions.check(token)));
  return answers.filter(({ status }) => status === "valid").length;
}
