/** Responses that somebody else has a hand in: wrapped, sent too early, written to for too long. */
import { once } from "node:events";
import { createServer, type RequestListener, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { Readable } from "node:stream";
import { createGzip } from "node:zlib";
import express, { type ErrorRequestHandler, type RequestHandler } from "express";
import { Hono } from "hono";
import { createSessions, type SessionId, type SessionManager, type SessionStore } from "latchkey";
import { expressSessions, requireSession } from "latchkey/express";
import { fetchSessions, requireSession as requireFetchSession } from "latchkey/fetch";
import { honoSessions } from "latchkey/hono";
import { memoryStore } from "latchkey/memory";
import { nodeSessions, requireSession as requireNodeSession } from "latchkey/node";
import { afterEach, describe, expect, test } from "vitest";
import { exchange } from "./support/sessions.ts";

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** What it means to be refused: more than a session may have. */
const TOO_MUCH = "x".repeat(40_000);

function manager(store: SessionStore = memoryStore()): SessionManager {
  return createSessions({ store, warn: () => {} });
}

async function tokenOf(sessions: SessionManager): Promise<string> {
  return (await (await sessions.open(exchange({}))).login("ada")).token;
}

function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve = (_value: T): void => {};
  const promise = new Promise<T>((give) => {
    resolve = give;
  });
  return { promise, resolve };
}

async function listen(handler: RequestListener): Promise<number> {
  const server = createServer(handler).listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** The whole answer to these bytes, as they came. */
async function exchangeRaw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  socket.write(bytes);
  await once(socket, "close");
  return Buffer.concat(chunks).toString("latin1");
}

const get = (path: string, token: string, more = "Connection: close\r\n"): string =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\nX-Session-Id: ${token}\r\n${more}\r\n`;

describe("middleware that compresses, mounted after the session", () => {
  // As the package compression does it: what is written goes through a stream first.
  const compress: RequestHandler = (_req, res, next) => {
    const { write, end } = res;
    const gzip = createGzip();
    gzip.on("data", (chunk) => Reflect.apply(write, res, [chunk]));
    gzip.on("end", () => Reflect.apply(end, res, []));
    let isEnded = false;
    res.write = (chunk: unknown) => {
      res.setHeader("Content-Encoding", "gzip");
      return gzip.write(chunk);
    };
    const endOnce = (chunk: unknown): unknown => {
      if (isEnded) return res;
      isEnded = true;
      res.removeHeader("Content-Length");
      res.setHeader("Content-Encoding", "gzip");
      gzip.end(chunk);
      return res;
    };
    Object.assign(res, { end: endOnce });
    next();
  };
  const own: ErrorRequestHandler = (_error, _req, res, _next) => {
    res.status(500).json({ error: "of our own" });
  };

  // Sent through the wrapper, what takes the place of the answer never left: the request hung.
  test.each([
    ["/ok", 200, "x"],
    ["/gone", 401, "invalid_session"],
    ["/refused", 500, "internal_error"],
  ])("%s is %i", async (path, status, text) => {
    const sessions = manager();
    const app = express().use(expressSessions(sessions), compress);
    app.get("/ok", (_req, res) => void res.json("x"));
    app.get("/gone", async (req, res) => {
      await sessions.revoke(req.session.sid ?? "");
      req.session.data["n"] = 1;
      res.json("x".repeat(5_000));
    });
    app.get("/refused", (req, res) => {
      req.session.data["n"] = TOO_MUCH;
      res.json("x".repeat(5_000));
    });
    app.use(own);
    const port = await listen(app);
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
      headers: { "x-session-id": await tokenOf(sessions) },
    });
    expect(answer.status).toBe(status);
    expect(await answer.text()).toContain(text);
  });
});

describe("a handler that goes on", () => {
  // It wrote to a response that had ended: an uncaught exception, and the process was gone. A request
  // before it on the same connection keeps the response from being sent, and anybody can pipeline.
  test("after its data were refused", async () => {
    const sessions = manager();
    const open = nodeSessions(sessions);
    const { promise: isSlow, resolve: go } = deferred<void>();
    const { promise: done, resolve: finish } = deferred<void>();
    const port = await listen(async (req, res) => {
      const session = await open(req, res);
      if (req.url === "/slow") return void isSlow.then(() => res.end("slow"));
      session.data["n"] = TOO_MUCH;
      res.write("a");
      while (!res.writableEnded) await new Promise(setImmediate);
      res.write("b");
      res.end("c");
      setImmediate(() => finish());
    });
    const token = await tokenOf(sessions);
    const answers = exchangeRaw(port, get("/slow", token, "") + get("/x", token));
    await done;
    go();
    expect(await answers).toMatch(/^HTTP\/1.1 200 [\s\S]*slow[\s\S]*HTTP\/1.1 500 /);
  });

  // It threw ERR_HTTP_HEADERS_SENT, and a login had begun a session that nobody held.
  test("after a time limit of the application has answered", async () => {
    const store = memoryStore();
    const { promise: isTime, resolve: answerLoad } = deferred<void>();
    const load = async (sid: SessionId) => {
      await isTime;
      return store.load(sid);
    };
    const slow = new Proxy(store, {
      get: (target, name) => {
        const method: unknown = Reflect.get(target, name);
        if (name === "load") return load;
        return typeof method === "function" ? method.bind(target) : method;
      },
    });
    const open = nodeSessions(manager(slow));
    const { promise: outcome, resolve } = deferred<unknown>();
    const port = await listen(async (req, res) => {
      const opening = open(req, res);
      res.writeHead(504).end("too slow");
      answerLoad();
      const session = await opening;
      resolve(await session.login("bob").catch((error: unknown) => error));
      res.end("late");
    });
    const token = await tokenOf(manager(store));
    expect(await exchangeRaw(port, get("/", token))).toMatch(/^HTTP\/1.1 504 [\s\S]*too slow/);
    expect(await outcome).toMatchObject({ code: "response-sent" });
    expect((await store.list("bob")).records).toEqual([]);
  });
});

describe("what takes the place of an answer", () => {
  test.each<[string, (res: ServerResponse) => void]>([
    ["a reason phrase", (res) => res.writeHead(200, "Great").end("x")],
    [
      "trailers",
      (res) => {
        res.writeHead(200, { Trailer: "X-T" });
        res.write("x");
        res.addTrailers({ "X-T": "1" });
        res.end();
      },
    ],
  ])("has nothing of %s", async (_what, answer) => {
    const sessions = manager();
    const open = nodeSessions(sessions);
    const port = await listen(async (req, res) => {
      const session = await open(req, res);
      await sessions.revoke(session.sid ?? "");
      session.data["n"] = 1;
      answer(res);
    });
    const text = await exchangeRaw(port, get("/", await tokenOf(sessions)));
    expect(text).toMatch(/^HTTP\/1.1 401 Unauthorized\r\n[\s\S]*"Invalid session"}$/);
    expect(text).not.toMatch(/trailer/i);
  });

  test("ends a stream that nobody will read (fetch)", async () => {
    const sessions = manager();
    const { promise: cancelled, resolve } = deferred<void>();
    const handle = fetchSessions(sessions)(async (_request, session) => {
      await sessions.revoke(session.sid ?? "");
      session.data["n"] = 1;
      return new Response(new ReadableStream({ cancel: () => resolve() }));
    });
    const headers = { "x-session-id": await tokenOf(sessions) };
    expect((await handle(new Request("https://localhost/", { headers }))).status).toBe(401);
    await cancelled;
  });
});

test("writeHead(status, null, headers) is what Node allows", async () => {
  const open = nodeSessions(manager());
  const port = await listen(async (req, res) => {
    await open(req, res);
    Reflect.apply(res.writeHead, res, [200, null, { "X-App": "1" }]);
    res.end();
  });
  expect(await exchangeRaw(port, get("/", "none"))).toContain("X-App: 1");
});

// There is nothing to add to it, and it cannot be copied.
test.each(["fetch", "hono"])(
  "an upgrade or no answer at all passes as it is (%s)",
  async (which) => {
    const sessions = manager();
    const none = Response.error();
    const request = new Request("https://localhost/");
    const answer =
      which === "fetch"
        ? await fetchSessions(sessions)(() => none)(request)
        : await new Hono()
            .use(honoSessions(sessions))
            .get("/", () => none)
            .fetch(request);
    expect(answer.type).toBe("error");
  },
);

describe("a slip of the handler's", () => {
  // It was 200, and an unhandled rejection ended the process: anybody's cross-site POST could.
  test("a login that is not awaited and fails is no success", async () => {
    const sessions = createSessions({ store: memoryStore(), maxPerUser: 1, atLimit: "reject" });
    await tokenOf(sessions);
    const app = express().use(expressSessions(sessions));
    app.post("/login", (req, res) => {
      void req.session.login(String(req.query["user"]));
      res.json("in");
    });
    app.use(((error, _req, res, _next) => {
      res.status(error.status).json(error.code);
    }) satisfies ErrorRequestHandler);
    const port = await listen(app);
    const url = `http://127.0.0.1:${port}/login?user=`;
    const cross = { method: "POST", headers: { "sec-fetch-site": "cross-site" } };
    expect((await fetch(`${url}bob`, cross)).status).toBe(403);
    const refused = await fetch(`${url}ada`, { method: "POST" });
    expect([refused.status, await refused.json()]).toEqual([409, "session-limit"]);
    const good = await fetch(`${url}bob`, { method: "POST" });
    expect([good.status, good.headers.getSetCookie().length]).toEqual([200, 1]);
  });

  test("session.cart = [], as of other libraries, is an error", async () => {
    const session = await manager().open(exchange({}));
    expect(() => Object.assign(session, { cart: [] })).toThrow(TypeError);
  });

  // It was lost without a word.
  test("what is changed right behind the response is warned of", async () => {
    const warned: string[] = [];
    const warn = ({ code }: { readonly code: string }) => void warned.push(code);
    const open = nodeSessions(createSessions({ store: memoryStore(), warn }));
    const port = await listen(async (req, res) => {
      const session = await open(req, res);
      res.end("x");
      session.data["n"] = 1;
    });
    await exchangeRaw(port, get("/", "none"));
    expect(warned).toEqual(["late-change"]);
  });

  test.each<[string, (app: express.Express) => void]>([
    ["a guard that was not called", (app) => app.use(requireSession as unknown as RequestHandler)],
    ["two session middlewares", (app) => app.use(expressSessions(manager()))],
  ])("%s answers 500, and does not hang", async (_what, mount) => {
    const app = express().use(expressSessions(manager()));
    app.set("env", "test");
    mount(app);
    const port = await listen(app);
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBeGreaterThanOrEqual(400);
  });

  test("a guard of node:http or fetch that was not called throws", () => {
    for (const guard of [requireNodeSession, requireFetchSession]) {
      expect(() => Reflect.apply(guard, undefined, [{}])).toThrow(/requireSession/);
    }
  });
});

// compression takes `res.on("drain")` for its own: a pipe that was told to wait waited for ever.
test("a small file is piped through middleware that owns drain", async () => {
  const app = express();
  app.use((_req, res, next) => {
    const { on } = res;
    const deaf = (...args: unknown[]): unknown =>
      args[0] === "drain" ? res : Reflect.apply(on, res, args);
    Object.assign(res, { on: deaf });
    next();
  });
  app.use(expressSessions(manager()));
  app.get("/", (req, res) => {
    req.session.data["n"] = 1;
    Readable.from(["a", "b", "c"]).pipe(res);
  });
  const port = await listen(app);
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("abc");
});

// A page of a sibling host could open one with the user's cookie, and read what it answered.
test("a WebSocket of another origin is nobody's", async () => {
  const sessions = createSessions({ store: memoryStore(), cookie: { name: "sid", secure: false } });
  const seen: unknown[] = [];
  const open = async (headers: Record<string, string>): Promise<void> => {
    const session = await sessions.open(exchange({ upgrade: "websocket", ...headers }));
    seen.push([session.isForged, session.user]);
  };
  const cookie = `sid=${await tokenOf(sessions)}`;
  const host = "localhost:3000";
  await open({ cookie, host, origin: "http://evil.example", "sec-fetch-site": "cross-site" });
  await open({ cookie, host, origin: "http://evil.example" });
  await open({ cookie, host, origin: `http://${host}` });
  expect(seen).toEqual([
    [true, undefined],
    [true, undefined],
    [false, "ada"],
  ]);
});

describe("an answer to data that were refused", () => {
  test.each([
    ["is whole, though the handler goes on streaming", false, 500],
    ["is the application's where the handler is done, and has the session's head", true, 400],
  ])("%s", async (_what, isDone, status) => {
    const app = express().use(expressSessions(manager()));
    app.get("/", async (req, res) => {
      await req.session.login("ada");
      req.session.data["n"] = TOO_MUCH;
      res.write("row 1");
      if (isDone) return void res.end();
      while (!res.writableEnded) await new Promise(setImmediate);
      res.end("row 2");
    });
    app.use((async (error, _req, res, _next) => {
      await new Promise(setImmediate);
      res.status(error.status).send("refused");
    }) satisfies ErrorRequestHandler);
    const port = await listen(app);
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    expect(answer.status).toBe(status);
    expect(await answer.text()).not.toMatch(/row/);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(answer.headers.getSetCookie()).toHaveLength(1);
  });
});
