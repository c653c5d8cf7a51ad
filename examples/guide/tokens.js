import assert from "node:assert/strict";
import { once } from "node:events";
import { ServerResponse, request as send } from "node:http";
import express from "express";
import { createSessions } from "latchkey";
import { expressSessions, requireSession } from "latchkey/express";
import { memoryStore } from "latchkey/memory";
import { nodeExchange } from "latchkey/node";

const sessions = createSessions({ store: memoryStore() });
const app = express();
app.use(expressSessions(sessions));

app.post("/token", async (req, res) => {
  const { token, expiresAt } = await req.session.login("ada", { transport: "header" });
  res.json({ token, expiresAt }); // shown once: nobody can ask for it again
});
app.get("/profile", requireSession(), (req, res) => res.json({ user: req.session.user }));

/** Whose token is this? For whatever is no request to an adapter. */
async function userOf(token) {
  const answer = await sessions.check(token);
  if (answer.status === "unknown") throw answer.cause; // Redis cannot say: 503, and no logout
  return answer.status === "valid" ? answer.record.user : undefined;
}

async function upgrade(req, socket, head) {
  socket.on("error", () => {}); // who goes away while we ask
  const exchange = nodeExchange(req, new ServerResponse(req));
  const { user } = await sessions.open(exchange, { readOnly: true });
  if (user === undefined) return socket.end("HTTP/1.1 401 Unauthorized\r\n\r\n");
  accept(user, req, socket, head); // webSockets.handleUpgrade of ws, say
}

function accept(user, _req, socket, _head) {
  assert.equal(user, "ada");
  socket.end("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: none\r\n\r\n");
}

const server = app.listen(0);
await once(server, "listening");
const { port } = server.address();
const url = `http://localhost:${port}`;
const { token } = await (await fetch(`${url}/token`, { method: "POST" })).json();

for (const headers of [{ authorization: `Bearer ${token}` }, { "x-session-id": token }]) {
  const profile = await fetch(`${url}/profile`, { headers });
  assert.deepEqual(await profile.json(), { user: "ada" });
}
assert.equal(await userOf(token), "ada");
assert.equal(await userOf(""), undefined);

server.on("upgrade", (req, socket, head) => {
  upgrade(req, socket, head).catch(() => socket.destroy());
});
const open = async (origin) => {
  const cookie = `theme=dark; __Host-sid=${token}`;
  const headers = { connection: "Upgrade", upgrade: "websocket", origin, cookie };
  const socket = send({ port, headers }).end();
  const [answer] = await Promise.race([once(socket, "upgrade"), once(socket, "response")]);
  answer.socket.destroy();
  return answer.statusCode;
};
assert.equal(await open(url), 101);
assert.equal(await open("https://elsewhere.example"), 401);
server.close();
server.closeAllConnections();
