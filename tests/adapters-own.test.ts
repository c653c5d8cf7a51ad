/** What each adapter has of its own framework: its types, its error handling, its odd corners. */
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { connect, createServer as createHttp2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import express, { type ErrorRequestHandler } from "express";
import fastify from "fastify";
import { Hono } from "hono";
import Koa from "koa";
import { createSessions, type Session, type StandardSchema } from "latchkey";
import * as onExpress from "latchkey/express";
import * as onFastify from "latchkey/fastify";
import * as onFetch from "latchkey/fetch";
import * as onHono from "latchkey/hono";
import * as onKoa from "latchkey/koa";
import { memoryStore } from "latchkey/memory";
import * as onNode from "latchkey/node";
import { redisStore } from "latchkey/redis";
import { afterEach, describe, expect, expectTypeOf, test } from "vitest";
import { ADAPTERS } from "./support/adapter-apps.ts";
import { startRedis } from "./support/redis-server.ts";

interface Cart {
  readonly cart: readonly string[];
}

/** As zod and the others give it. */
const CART: StandardSchema<Cart> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) => ({ value: { cart: [], ...Object(value) } }),
  },
};

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

describe("session.data has the type of the schema, without declaration merging", () => {
  const sessions = createSessions({ store: memoryStore(), data: CART });

  test("node:http, fetch and Koa: the session itself", () => {
    const open = onNode.nodeSessions(sessions);
    expectTypeOf<Awaited<ReturnType<typeof open>>>().toEqualTypeOf<Session<Cart>>();
    onFetch.fetchSessions(sessions)((_request, session) => {
      expectTypeOf(session.data).toEqualTypeOf<Cart>();
      return new Response();
    });
    new Koa().use(onKoa.koaSessions(sessions)).use((ctx) => {
      expectTypeOf(ctx.session.data).toEqualTypeOf<Cart>();
    });
  });

  test("Hono: where the middleware is chained", () => {
    new Hono().use(onHono.honoSessions(sessions)).get("/", (c) => {
      expectTypeOf(c.var.session.data).toEqualTypeOf<Cart>();
      return c.body(null);
    });
  });

  test("Express and Fastify: by sessionOf", async () => {
    express().get("/", (req) => {
      expectTypeOf(onExpress.sessionOf(sessions, req).data).toEqualTypeOf<Cart>();
    });
    fastify().get("/", async (request) => {
      expectTypeOf(onFastify.sessionOf(sessions, request).data).toEqualTypeOf<Cart>();
    });
  });

  test("what a framework passes on besides keeps its type", () => {
    const GET = onFetch.fetchSessions(sessions)(
      onFetch.requireSession(),
      (_request, session, context: { readonly params: { readonly id: string } }) =>
        Response.json([session.data.cart, context.params.id]),
    );
    expectTypeOf(GET).parameters.toEqualTypeOf<
      [Request, { readonly params: { readonly id: string } }]
    >();
  });
});

describe("a refusal can be answered in one's own words", () => {
  const sessions = createSessions({ store: memoryStore() });

  test("Express", async () => {
    const app = express().use(onExpress.expressSessions(sessions));
    app.get("/", onExpress.requireSession({ refuse: (_q, res, r) => res.send(r.code) }));
    expect(await textOf(await listen(app))).toBe("invalid_session");
  });

  test("Fastify", async () => {
    const app = fastify();
    await app.register(onFastify.fastifySessions(sessions));
    const refuse = (_q: unknown, _r: unknown, { code }: onFastify.Refusal): string => code;
    app.get("/", { onRequest: onFastify.requireSession({ refuse }) }, async () => "in");
    const answer = await app.inject("/");
    expect([answer.body, answer.headers["cache-control"]]).toEqual(["invalid_session", "no-store"]);
  });

  test("Hono", async () => {
    const app = new Hono().use(onHono.honoSessions(sessions));
    app.get("/", onHono.requireSession({ refuse: (c, { code }) => c.text(code) }));
    expect(await (await app.request("/")).text()).toBe("invalid_session");
  });

  test("Koa", async () => {
    const app = new Koa().use(onKoa.koaSessions(sessions));
    const refuse: onKoa.RequireOptions["refuse"] = (ctx, { code }) => {
      ctx.body = code;
    };
    app.use(onKoa.requireSession({ refuse }));
    expect(await textOf(await listen(app.callback()))).toBe("invalid_session");
  });
});

describe("without the sessions mounted before", () => {
  test("a guard says what is missing", async () => {
    const app = express().get("/", onExpress.requireSession());
    const caught: string[] = [];
    app.use(((error, _req, res, _next) => {
      caught.push(error.message);
      res.end();
    }) satisfies ErrorRequestHandler);
    await textOf(await listen(app));
    expect(caught).toEqual(["mount expressSessions before this handler"]);
    const koa = new Koa().use((ctx, next) => onKoa.requireSession()(Object(ctx), next));
    koa.on("error", (error) => caught.push(error.message));
    await textOf(await listen(koa.callback()));
    const hono = new Hono().get("/", onHono.requireSession());
    hono.onError((error, c) => c.text(String(caught.push(error.message))));
    await hono.request("/");
    const app5 = fastify();
    app5.get("/", { onRequest: onFastify.requireSession() }, async () => "in");
    caught.push((await app5.inject("/")).json().message);
    expect(caught).toHaveLength(4);
    for (const message of caught) expect(message).toMatch(/^(mount|register) \w+Sessions before/);
  });

  test("and an age that is none is refused at the start", () => {
    const maxAge = "soon" as "1m";
    for (const adapter of [onNode, onExpress, onFastify, onHono, onKoa, onFetch]) {
      expect(() => adapter.requireFresh({ maxAge })).toThrow(
        expect.objectContaining({ code: "invalid-option", field: "maxAge" }),
      );
      expect(() => adapter.requireFresh(undefined as never)).toThrow(
        expect.objectContaining({ code: "invalid-option", field: "maxAge" }),
      );
    }
  });
});

test("Express: data that cannot be saved goes to the application's error handling", async () => {
  const sessions = createSessions({ store: memoryStore(), warn: () => {} });
  const app = express().use(onExpress.expressSessions(sessions));
  app.get("/", (req, res) => {
    req.session.data["list"] = [];
    (req.session.data["list"] as unknown[]).push(1n);
    res.json("saved!");
  });
  app.use(((error, _req, res, _next) => {
    res.status(error.status).json({ code: error.code, field: error.field });
  }) satisfies ErrorRequestHandler);
  const response = await fetch(await listen(app));
  expect([response.status, await response.json()]).toEqual([
    400,
    { code: "invalid-data", field: "list.0" },
  ]);
});

describe("Express: while a response waits for its session, it looks sent", () => {
  test.each<[string, (res: express.Response) => void]>([
    [
      "an error after it",
      () => {
        throw new Error("on purpose");
      },
    ],
    ["a second answer", (res) => res.status(500).json({ second: "longer than the first" })],
    ["a header after it", (res) => res.set("X-Late", "1").removeHeader("X-Own")],
  ])("%s changes nothing of it", async (_name, afterwards) => {
    const sessions = createSessions({ store: memoryStore() });
    const app = express().use(onExpress.expressSessions(sessions));
    const seen: boolean[] = [];
    app.get("/", (req, res) => {
      req.session.data["a"] = 1;
      res.set("X-Own", "1");
      seen.push(res.headersSent);
      res.json({ first: 1 });
      seen.push(res.headersSent);
      afterwards(res);
    });
    app.use(((_error, _req, _res, _next) => {}) satisfies ErrorRequestHandler);
    const response = await fetch(await listen(app));
    expect([response.status, await response.json()]).toEqual([200, { first: 1 }]);
    expect([response.headers.get("x-own"), response.headers.get("x-late")]).toEqual(["1", null]);
    expect(response.headers.getSetCookie()).toHaveLength(1);
    expect(seen).toEqual([false, true]);
  });
});

describe("Fastify", () => {
  test("injected requests, replies that are a Response, and hijacked ones are saved too", async () => {
    const sessions = createSessions({ store: memoryStore() });
    const app = fastify();
    await app.register(onFastify.fastifySessions(sessions));
    app.get("/response", async (request) => {
      request.session.data["a"] = 1;
      return new Response("x", { headers: { "Cache-Control": "public", "Set-Cookie": "own=1" } });
    });
    app.get("/hijacked", (request, reply) => {
      request.session.data["b"] = 1;
      reply.hijack();
      reply.raw.end("y");
    });
    for (const path of ["/response", "/hijacked"]) {
      const answer = await app.inject(path);
      expect(answer.statusCode).toBe(200);
      expect(answer.headers["cache-control"]).toBe("no-store");
      expect([answer.headers["set-cookie"]].flat().join()).toMatch(/__Host-sid=\S{57};/);
    }
    expect([(await app.inject("/response")).headers["set-cookie"]].flat()).toContain("own=1");
  });
});

test("HTTP/2 of Node: saved, and our own origin is known by :authority", async () => {
  const open = onNode.nodeSessions(createSessions({ store: memoryStore() }));
  const server = createHttp2Server(async (req, res) => {
    const session = await open(Object(req), Object(res));
    session.data["a"] = 1;
    res.writeHead(201, { "X-Own": "1" });
    res.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://localhost:${(server.address() as AddressInfo).port}`;
  const client = connect(origin.replace("localhost", "127.0.0.1"));
  closers.push(
    () => client.close(),
    () => server.close(),
  );
  const statusFrom = async (from: string): Promise<unknown[]> => {
    const stream = client.request({
      ...{ ":method": "POST", ":authority": new URL(origin).host, origin: from },
    });
    const [head] = await once(stream, "response");
    stream.resume();
    return [head[":status"], head["x-own"], head["cache-control"], head["set-cookie"]?.length];
  };
  expect(await statusFrom(origin)).toEqual([201, "1", "no-store", 1]);
  expect(await statusFrom("https://evil.example")).toEqual([403, "1", "no-store", undefined]);
});

describe("node:http: what writeHead is given", () => {
  test.each<[string, unknown[]]>([
    ["an object", [{ "X-A": "1", "Set-Cookie": ["b=1", "c=1"] }]],
    ["a list", [["X-A", "1", "Set-Cookie", "b=1", "Set-Cookie", "c=1"]]],
    [
      "pairs",
      [
        [
          ["X-A", "1"],
          ["Set-Cookie", "b=1"],
          ["set-cookie", "c=1"],
        ],
      ],
    ],
    [
      "a reason and an object",
      ["Fine", { "x-a": 1, "Set-Cookie": ["b=1", "c=1"], "X-B": undefined }],
    ],
  ])("%s stands beside the session's own", async (_name, rest) => {
    const sessions = createSessions({ store: memoryStore() });
    const open = onNode.nodeSessions(sessions);
    const url = await listen(async (req, res) => {
      const session = await open(req, res);
      res.setHeader("X-A", "before");
      session.data["a"] = 1;
      Reflect.apply(res.writeHead, res, [201, ...rest]);
      res.write("a");
      res.end("b");
    });
    const response = await fetch(url);
    expect([response.status, await response.text()]).toEqual([201, "ab"]);
    expect([response.headers.get("x-a"), response.headers.get("x-b")]).toEqual(["1", null]);
    const lines = response.headers.getSetCookie();
    expect([lines.slice(0, 2), lines.length]).toEqual([["b=1", "c=1"], 3]);
    if (rest[0] === "Fine") expect(response.statusText).toBe("Fine");
  });

  test("callbacks of write and end are called, also of a response that was taken back", async () => {
    for (const isGone of [false, true]) {
      const sessions = createSessions({ store: memoryStore() });
      const open = onNode.nodeSessions(sessions);
      const called: string[] = [];
      const url = await listen(async (req, res) => {
        const session = await open(req, res);
        const { sid } = await session.login("ada");
        if (isGone) await sessions.revoke(sid);
        session.data["a"] = 1;
        await new Promise<void>((resolve) => res.write("a", () => resolve()));
        called.push("write");
        await new Promise<void>((resolve) => res.end("b", () => resolve()));
        called.push("end");
      });
      const response = await fetch(url);
      await response.text();
      expect(response.status).toBe(isGone ? 401 : 200);
      await expect.poll(() => called).toEqual(["write", "end"]);
    }
  });
});

test.each(["node:http", "express", "fastify", "koa"])(
  "%s: data changed after the response has begun, and never saved, is warned of",
  async (name) => {
    const codes: string[] = [];
    const sessions = createSessions({
      store: memoryStore(),
      warn: ({ code }) => codes.push(code),
    });
    const served = await ADAPTERS[name]?.({
      sessions,
      options: {},
      routes: {
        "/": {
          handle: ({ data }) => ({
            body: (async function* () {
              yield "a";
              await new Promise((resolve) => setImmediate(resolve));
              data["late"] = true;
              yield "b";
            })(),
          }),
        },
      },
    });
    closers.push(() => served?.close());
    expect(await textOf(`http://127.0.0.1:${served?.port}/`)).toBe("ab");
    expect(codes).toEqual(["late-change"]);
  },
);

test("a Redis that is really gone is a 503 in every framework, and the cookie stays", async () => {
  const redis = await startRedis();
  const store = await redisStore({ url: redis.url });
  closers.push(
    () => redis.stop(),
    () => store.close(),
  );
  const sessions = createSessions({ store });
  const routes = {
    "/login": {
      handle: async (session: Session) => ({ body: (await session.login("ada")).token }),
    },
    "/me": { requires: "session" as const, handle: () => ({}) },
  };
  const running = await Promise.all(
    Object.values(ADAPTERS).map((serve) => serve({ sessions, options: {}, routes })),
  );
  const [first] = running;
  const token = await textOf(`http://127.0.0.1:${first?.port}/login`);
  await redis.stop();
  for (const { port, close } of running) {
    const headers = { cookie: `__Host-sid=${token}` };
    const response = await fetch(`http://127.0.0.1:${port}/me`, { headers });
    expect([response.status, response.headers.getSetCookie()]).toEqual([503, []]);
    await close();
  }
});

async function textOf(url: string): Promise<string> {
  return (await fetch(url)).text();
}

async function listen(application: RequestListener): Promise<string> {
  const server = createServer(application);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => server.closeAllConnections());
  server.unref();
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
