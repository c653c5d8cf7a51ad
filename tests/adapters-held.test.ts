/** When a response is held back: from the first use of its session on, however late that is. */
import { once } from "node:events";
import { createServer, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createSessions, type SessionManager } from "latchkey";
import { memoryStore } from "latchkey/memory";
import { nodeSessions } from "latchkey/node";
import { afterEach, expect, test } from "vitest";
import { exchange, logIn } from "./support/sessions.ts";

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

// `res.end` is looked up before its arguments: held back only from then on, it would be Node's own.
test.each<[string, (res: ServerResponse, text: () => string) => void]>([
  ["end", (res, text) => res.end(text())],
  ["write", (res, text) => void (res.write(text()) && res.end())],
  ["writeHead", (res, text) => res.writeHead(200, { "X-N": text() }).end()],
  ["writeHead before", (res, text) => res.writeHead(200).end(text())],
])("what changes in the arguments of %s is saved", async (what, answer) => {
  const sessions = createSessions({ store: memoryStore() });
  const open = nodeSessions(sessions);
  const url = await listen(async (req, res) => {
    const session = await open(req, res);
    answer(res, () => {
      session.data["n"] = 1;
      return "one";
    });
  });
  const token = (await logIn(sessions, "ada")).token;
  const response = await fetch(url, { headers: { "x-session-id": token } });
  expect([response.status, await response.text()]).toEqual([
    200,
    what === "writeHead" ? "" : "one",
  ]);
  const saved = await sessions.open(exchange({ "x-session-id": token }));
  expect(saved.data).toEqual({ n: 1 });
});

test("the sessions of two managers stand on one response, and both are saved", async () => {
  const [shop, staff] = [
    createSessions({ store: memoryStore() }),
    createSessions({ store: memoryStore() }),
  ];
  const [openShop, openStaff] = [nodeSessions(shop), nodeSessions(staff)];
  const [inShop, inStaff] = [(await logIn(shop, "ada")).token, (await logIn(staff, "bob")).token];
  const url = await listen(async (req, res) => {
    const one = await openShop(req, res);
    // The second has a token of its own, as with a cookie of another name.
    req.rawHeaders.splice(0, Number.POSITIVE_INFINITY, "X-Session-Id", inStaff);
    const two = await openStaff(req, res);
    one.data["n"] = 1;
    two.data["n"] = 2;
    res.end("both");
  });
  const response = await fetch(url, { headers: { "x-session-id": inShop } });
  expect([response.status, await response.text()]).toEqual([200, "both"]);
  const saved = async (sessions: SessionManager, token: string) =>
    (await sessions.open(exchange({ "x-session-id": token }))).data;
  expect(await saved(shop, inShop)).toEqual({ n: 1 });
  expect(await saved(staff, inStaff)).toEqual({ n: 2 });
});

async function listen(handler: RequestListener): Promise<string> {
  const server = createServer(handler).listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}
