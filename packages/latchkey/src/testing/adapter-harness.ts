/** What the checks of an adapter are made of: an application in no framework's words, and a client. */
import assert from "node:assert/strict";
import { type ClientRequest, type IncomingMessage, request as openRequest } from "node:http";
import type { Duration } from "../core/duration.ts";
import { createSessions, type SessionManager } from "../core/manager.ts";
import type { Session } from "../core/session.ts";
import type { SessionsOptions } from "../core/sessions-options.ts";
import type { SessionStore } from "../core/store.ts";
import type { OpenOptions } from "../core/visit.ts";
import { WatchedStore } from "./watched-store.ts";

/** Served by the adapter under test, the way that a user of its framework would write it. */
export interface Application {
  readonly sessions: SessionManager;
  readonly options: OpenOptions;
  /** By path. Each serves every method. */
  readonly routes: Readonly<Record<string, Route>>;
}

export interface Route {
  /** `requireSession()`, or `requireFresh({ maxAge })`, before the handler. */
  readonly requires?: "session" | { readonly maxAge: Duration };
  /** What it throws goes to the framework, which answers 500. */
  handle(session: Session): Reply | Promise<Reply>;
}

export interface Reply {
  /** Default 200. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Chunks are sent as they come. */
  readonly body?: string | AsyncIterable<string>;
}

export interface AdapterHarness {
  /** Listens on a free port of 127.0.0.1. */
  serve(application: Application): Promise<Served>;
  /** A store with nothing in it. */
  openStore(): Promise<SessionStore>;
  /** False: the response to what a handler throws is made where the adapter does not see it. */
  readonly seesErrors?: boolean;
}

export interface Served {
  readonly port: number;
  close(): Promise<void>;
}

export interface Answer {
  readonly status: number;
  /** Each line of a header, by its name in lower case. */
  lines(name: string): readonly string[];
  readonly body: string;
}

export interface Wishes {
  readonly method?: string;
  /** Name, value, name, value: so that one may come twice. */
  readonly headers?: readonly string[];
  readonly body?: string;
}

export type AdapterCheck = (bench: AdapterBench) => Promise<void>;

/** One adapter for one check: its store, watched, and what was served, to be closed at the end. */
export class AdapterBench {
  readonly store: WatchedStore;
  readonly seesErrors: boolean;
  readonly #harness: AdapterHarness;
  readonly #served: Served[] = [];

  constructor(harness: AdapterHarness, store: SessionStore) {
    this.#harness = harness;
    this.seesErrors = harness.seesErrors ?? true;
    this.store = new WatchedStore(store);
  }

  async serve(
    routes: Application["routes"],
    settings: Partial<SessionsOptions> = {},
    options: OpenOptions = {},
  ): Promise<Client> {
    const sessions = createSessions({ ...settings, store: this.store });
    const all = { ...STANDARD_ROUTES, ...routes };
    const served = await this.#harness.serve({ sessions, options, routes: all });
    this.#served.push(served);
    return new Client(served.port, sessions);
  }

  async close(): Promise<void> {
    for (const served of this.#served) await served.close();
    await this.store.close();
  }
}

/** What most checks need. */
const STANDARD_ROUTES: Application["routes"] = {
  "/login": {
    handle: async (session) => {
      const { token } = await session.login("ada");
      return { body: token };
    },
  },
  "/logout": {
    handle: async (session) => {
      await session.logout();
      return { status: 204 };
    },
  },
  "/me": { requires: "session", handle: ({ user }) => ({ body: user ?? "" }) },
  "/data": { handle: ({ data }) => ({ body: JSON.stringify(data) }) },
};

export class Client {
  readonly port: number;
  readonly sessions: SessionManager;

  constructor(port: number, sessions: SessionManager) {
    this.port = port;
    this.sessions = sessions;
  }

  async get(path: string, ...headers: string[]): Promise<Answer> {
    return this.send(path, { headers });
  }

  async post(path: string, ...headers: string[]): Promise<Answer> {
    return this.send(path, { method: "POST", headers });
  }

  async send(path: string, wishes: Wishes = {}): Promise<Answer> {
    const response = await this.open(path, wishes);
    let body = "";
    for await (const chunk of response) body += chunk;
    return answerOf(response, body);
  }

  /** Resolves with the head; the body is to be read. */
  open(path: string, wishes: Wishes = {}): Promise<IncomingMessage> {
    const request = this.begin(path, wishes);
    return new Promise((resolve, reject) => {
      request.once("response", (response) => resolve(response.setEncoding("utf8")));
      request.once("error", reject);
    });
  }

  /** A request that can be broken off. */
  begin(path: string, { method = "GET", headers = [], body = "" }: Wishes = {}): ClientRequest {
    const named = headers.some((name, i) => i % 2 === 0 && name.toLowerCase() === "host");
    const request = openRequest({
      ...{ host: "127.0.0.1", port: this.port, path, method, agent: false },
      headers: [
        ...(named ? [] : ["Host", `localhost:${this.port}`]),
        ...["Connection", "close"],
        ...(method === "GET" ? [] : ["Content-Length", String(Buffer.byteLength(body))]),
        ...headers,
      ],
    });
    request.end(body);
    return request;
  }

  /** Logs in; the `Cookie` header of the session. */
  async logIn(): Promise<readonly [name: "Cookie", value: string]> {
    const [line = ""] = (await this.post("/login")).lines("set-cookie");
    return ["Cookie", line.slice(0, line.indexOf(";"))];
  }

  /** The data of the session of this cookie, as another server sees it. */
  async data(cookie: readonly string[]): Promise<unknown> {
    const answer = await this.get("/data", ...cookie);
    return JSON.parse(answer.body);
  }
}

function answerOf(response: IncomingMessage, body: string): Answer {
  const { rawHeaders: raw } = response;
  return {
    status: response.statusCode ?? 0,
    lines: (name) => raw.filter((_, i) => i % 2 === 1 && raw[i - 1]?.toLowerCase() === name),
    body,
  };
}

/** The problem document in an answer, which must be one. */
export function problemIn(answer: Answer): Readonly<Record<string, unknown>> {
  assert.match(answer.lines("content-type")[0] ?? "", /^application\/problem\+json/);
  return JSON.parse(answer.body);
}

/** What every answer of a session says to caches. */
export function assertPrivate(answer: Answer): void {
  assert.deepEqual(answer.lines("cache-control"), ["no-store"]);
  assert.deepEqual(answer.lines("vary"), ["Cookie, Authorization, X-Session-Id"]);
}
