/** The application of the adapter suite, written for each framework as its users would. */
import { createServer, type Server } from "node:http";
import { pipeline, Readable } from "node:stream";
import { createAdaptorServer } from "@hono/node-server";
import express from "express";
import fastify from "fastify";
import { Hono } from "hono";
import Koa from "koa";
import { type Duration, isSessionError } from "latchkey";
import * as onExpress from "latchkey/express";
import * as onFastify from "latchkey/fastify";
import * as onFetch from "latchkey/fetch";
import * as onHono from "latchkey/hono";
import * as onKoa from "latchkey/koa";
import * as onNode from "latchkey/node";
import type { AdapterHarness, Reply, Route, Served } from "latchkey/testing";

type Serve = AdapterHarness["serve"];

const serveNode: Serve = ({ sessions, options, routes }) => {
  const open = onNode.nodeSessions(sessions, options);
  const answer: Parameters<typeof createServer>[1] = async (req, res) => {
    const session = await open(req, res);
    const route = routes[pathOf(req.url)];
    if (route === undefined) return void res.writeHead(404).end();
    if (guardsOf(onNode, route).some((guard) => !guard(session, res))) return;
    const { status = 200, headers = {}, body = "" } = await route.handle(session);
    res.writeHead(status, { ...(headers as Record<string, string>) });
    if (typeof body === "string") res.end(body);
    else pipeline(Readable.from(body), res, () => {});
  };
  return listen(
    createServer(async (req, res) => {
      try {
        await answer(req, res);
      } catch (error) {
        res.writeHead(isSessionError(error) ? error.status : 500).end();
      }
    }),
  );
};

const serveExpress: Serve = ({ sessions, options, routes }) => {
  const app = express();
  app.use(onExpress.expressSessions(sessions, options));
  for (const [path, route] of Object.entries(routes)) {
    app.all(path, ...guardsOf(onExpress, route), async (req, res) => {
      const { status = 200, headers = {}, body = "" } = await route.handle(req.session);
      res.status(status);
      for (const [name, value] of Object.entries(headers)) res.set(name, settable(value));
      if (typeof body !== "string") pipeline(Readable.from(body), res, () => {});
      else if (body === "") res.end();
      else res.send(body);
    });
  }
  return listen(createServer(app));
};

const serveFastify: Serve = async ({ sessions, options, routes }) => {
  const app = fastify();
  await app.register(onFastify.fastifySessions(sessions, options));
  for (const [path, route] of Object.entries(routes)) {
    app.all(path, { onRequest: guardsOf(onFastify, route) }, async (request, reply) => {
      const { status = 200, headers = {}, body = "" } = await route.handle(request.session);
      reply.code(status);
      for (const [name, value] of Object.entries(headers)) reply.header(name, value);
      return reply.send(typeof body === "string" ? body : Readable.from(body));
    });
  }
  await app.ready();
  return listen(app.server);
};

const serveHono: Serve = ({ sessions, options, routes }) => {
  const app = new Hono().use(onHono.honoSessions(sessions, options));
  for (const [path, route] of Object.entries(routes)) {
    for (const guard of guardsOf(onHono, route)) app.use(path, guard);
    app.all(path, async (c) => responseOf(await route.handle(c.var.session)));
  }
  app.onError((_error, c) => c.text("Something went wrong", 500));
  return listen(createAdaptorServer({ fetch: app.fetch }));
};

const serveKoa: Serve = ({ sessions, options, routes }) => {
  const app = new Koa();
  app.silent = true;
  app.use(onKoa.koaSessions(sessions, options)).use(async (ctx) => {
    const route = routes[ctx.path];
    if (route === undefined) return;
    const answer = async (): Promise<void> => {
      const { status = 200, headers = {}, body = "" } = await route.handle(ctx.session);
      ctx.status = status;
      for (const [name, value] of Object.entries(headers)) ctx.set(name, settable(value));
      ctx.body = typeof body === "string" ? body : Readable.from(body);
    };
    const [guard] = guardsOf(onKoa, route);
    await (guard ? guard(ctx, answer) : answer());
  });
  return listen(createServer(app.callback()));
};

const serveFetch: Serve = ({ sessions, options, routes }) => {
  const withSession = onFetch.fetchSessions(sessions, options);
  const handlers = new Map(
    Object.entries(routes).map(([path, route]) => [
      path,
      withSession(...guardsOf(onFetch, route), async (_request, session) =>
        responseOf(await route.handle(session)),
      ),
    ]),
  );
  const answer = async (request: Request): Promise<Response> => {
    const handler = handlers.get(new URL(request.url).pathname);
    return (await handler?.(request)) ?? new Response(null, { status: 404 });
  };
  const recover = (): Response => new Response("Something went wrong", { status: 500 });
  const fetch = (request: Request): Promise<Response> => answer(request).catch(recover);
  return listen(createAdaptorServer({ fetch }));
};

export const ADAPTERS: Readonly<Record<string, Serve>> = {
  "node:http": serveNode,
  express: serveExpress,
  fastify: serveFastify,
  hono: serveHono,
  koa: serveKoa,
  fetch: serveFetch,
};

/** What the adapter puts before the handler of a route. */
function guardsOf<Guard>(
  adapter: {
    requireSession(): Guard;
    requireFresh(options: { maxAge: Duration }): Guard;
  },
  { requires }: Route,
): Guard[] {
  if (requires === undefined) return [];
  return [requires === "session" ? adapter.requireSession() : adapter.requireFresh(requires)];
}

function settable(value: string | readonly string[]): string | string[] {
  return typeof value === "string" ? value : [...value];
}

function responseOf({ status = 200, headers = {}, body = "" }: Reply): Response {
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    [value].flat().map((line): [string, string] => [name, line]),
  );
  const isEmpty = body === "" || status === 304 || status === 204;
  const stream = typeof body === "string" ? new Blob([body]).stream() : streamOf(body);
  return new Response(isEmpty ? null : stream, { status, headers: lines });
}

function streamOf(texts: AsyncIterable<string>): ReadableStream {
  return Readable.toWeb(Readable.from(bytes(texts))) as ReadableStream;
}

async function* bytes(texts: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  for await (const text of texts) yield new TextEncoder().encode(text);
}

function pathOf(url = "/"): string {
  return url.split("?")[0] ?? "/";
}

async function listen(server: object): Promise<Served> {
  const http = server as Server;
  await new Promise<void>((resolve) => {
    http.listen(0, "127.0.0.1", resolve);
  });
  const address = http.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    close: () =>
      new Promise((resolve) => {
        http.close(() => resolve());
        http.closeAllConnections();
      }),
  };
}
