/** The adapters over real sockets: the same promises on node:http and on Express. */
import { createServer, type RequestListener, type Server } from "node:http";
import express from "express";
import { createSessions, type SessionManager } from "latchkey";
import { expressSessions, requireSession } from "latchkey/express";
import { memoryStore } from "latchkey/memory";
import { nodeSessions } from "latchkey/node";
import { redisStore } from "latchkey/redis";
import { afterEach, describe, expect, test } from "vitest";
import { rawRequest } from "./support/raw-http.ts";
import { startRedis } from "./support/redis-server.ts";

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.closeAllConnections();
});

/** An application of three routes, written as a user of the adapter would. */
const APPLICATIONS: Record<string, (sessions: SessionManager) => RequestListener> = {
  "node:http": (sessions) => {
    const open = nodeSessions(sessions);
    return async (req, res) => {
      res.setHeader("Vary", "Accept-Encoding, cookie");
      const session = await open(req, res);
      if (req.url === "/login") await session.login("ada");
      if (req.url === "/logout") await session.logout();
      if (session.status === "unknown") res.writeHead(503).end();
      else if (session.user === undefined && req.url === "/me") res.writeHead(401).end();
      else res.end(session.user);
    };
  },
  express: (sessions) => {
    const app = express();
    app.use((_req, res, next) => {
      res.set("Vary", "Accept-Encoding, cookie");
      next();
    });
    app.use(expressSessions(sessions));
    app.get("/login", async (req, res) => {
      await req.session.login("ada");
      res.end("ada");
    });
    app.get("/logout", async (req, res) => {
      await req.session.logout();
      res.end();
    });
    app.get("/me", requireSession(), (req, res) => {
      res.end(req.session.user);
    });
    return app;
  },
};

describe.each(Object.entries(APPLICATIONS))("%s", (_name, application) => {
  test("log in, come back with the cookie, log out", async () => {
    const url = await listen(application(createSessions({ store: memoryStore() })));
    const login = await fetch(`${url}/login`);
    const [line = ""] = login.headers.getSetCookie();
    expect(line).toMatch(/^__Host-sid=\S{57}; Path=\/; Secure; HttpOnly; SameSite=Lax$/);
    const cookie = line.slice(0, line.indexOf(";"));
    const me = await fetch(`${url}/me`, { headers: { cookie } });
    expect(await me.text()).toBe("ada");
    // Nothing changed, so nothing is set.
    expect(me.headers.getSetCookie()).toEqual([]);
    const logout = await fetch(`${url}/logout`, { headers: { cookie } });
    expect(logout.headers.getSetCookie()).toHaveLength(1);
    expect((await fetch(`${url}/me`, { headers: { cookie } })).status).toBe(401);
  });

  test("no-store, and Vary merged with what the application had set", async () => {
    const url = await listen(application(createSessions({ store: memoryStore() })));
    for (const path of ["/me", "/login"]) {
      const { headers } = await fetch(url + path);
      expect(headers.get("cache-control")).toBe("no-store");
      expect(headers.get("vary")).toBe("Accept-Encoding, cookie, Authorization, X-Session-Id");
    }
  });

  test("a duplicated header is seen as one, not joined", async () => {
    const url = await listen(application(createSessions({ store: memoryStore() })));
    const login = await fetch(`${url}/login`);
    const token = /=([^;]+)/.exec(login.headers.getSetCookie()[0] ?? "")?.[1];
    const port = Number(new URL(url).port);
    const once = await rawRequest(port, ["GET /me HTTP/1.1", `x-session-id: ${token}`]);
    expect(once.status).toBe(200);
    const twice = ["GET /me HTTP/1.1", `x-session-id: ${token}`, `x-session-id: ${token}`];
    expect((await rawRequest(port, twice)).status).toBe(401);
  });

  test("Redis gone: 503, and the cookie stays", async () => {
    const redis = await startRedis();
    const store = await redisStore({ url: redis.url });
    const url = await listen(application(createSessions({ store })));
    const login = await fetch(`${url}/login`);
    const cookie = (login.headers.getSetCookie()[0] ?? "").split(";")[0] ?? "";
    await redis.stop();
    const me = await fetch(`${url}/me`, { headers: { cookie } });
    expect(me.status).toBe(503);
    expect(me.headers.getSetCookie()).toEqual([]);
    await store.close();
  });
});

test("requireSession answers with a problem document, or hands over to yours", async () => {
  const app = express();
  app.use(expressSessions(createSessions({ store: memoryStore() })));
  app.get("/default", requireSession());
  app.get(
    "/own",
    requireSession({ refuse: (_req, res, { status, code }) => res.status(status).send(code) }),
  );
  const url = await listen(app);
  const refused = await fetch(`${url}/default`);
  expect(refused.status).toBe(401);
  expect(refused.headers.get("content-type")).toContain("application/problem+json");
  expect(refused.headers.get("www-authenticate")).toBe("Session");
  expect(await refused.json()).toEqual({
    title: "Invalid session",
    status: 401,
    code: "invalid_session",
    message: "Invalid session",
  });
  expect(await (await fetch(`${url}/own`)).text()).toBe("invalid_session");
});

async function listen(application: RequestListener): Promise<string> {
  const server = createServer(application);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
}
