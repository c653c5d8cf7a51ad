import assert from "node:assert/strict";
import { once } from "node:events";
import express from "express";
import { createSessions } from "latchkey";
import { expressSessions, requireSession } from "latchkey/express";
import { memoryStore } from "latchkey/memory";

const sessions = createSessions({ store: memoryStore() });
const app = express();
app.use(expressSessions(sessions));

app.post("/login", async (req, res) => {
  await req.session.login("ada", { device: req.get("user-agent") ?? "unknown" });
  res.sendStatus(204);
});
app.get("/devices", requireSession(), async (req, res) => {
  const list = await sessions.list(req.session.user);
  res.json(
    list.map(({ sid, device, lastSeenAt }) => {
      return { sid, device, lastSeenAt, isThisOne: sid === req.session.sid };
    }),
  );
});
app.delete("/devices/:sid", requireSession(), async (req, res) => {
  await sessions.revoke(req.params.sid, { owner: req.session.user });
  res.sendStatus(204);
});

app.post("/logout-everywhere", requireSession(), async (req, res) => {
  await sessions.revokeUser(req.session.user, { reason: "logout-everywhere" });
  await req.session.logout(); // dead already: this clears the cookie
  res.sendStatus(204);
});

// A laptop and a telephone.
const server = app.listen(0);
await once(server, "listening");
const ask = (method, path, headers) =>
  fetch(`http://localhost:${server.address().port}${path}`, { method, headers });
const logIn = async (device) => {
  const login = await ask("POST", "/login", { "user-agent": device });
  return { cookie: login.headers.getSetCookie()[0].split(";")[0] };
};
const [laptop, telephone] = [await logIn("laptop"), await logIn("telephone")];
const devices = await (await ask("GET", "/devices", laptop)).json();
assert.deepEqual(devices.map(({ device }) => device).sort(), ["laptop", "telephone"]);
const other = devices.find(({ isThisOne }) => !isThisOne);
assert.equal(other.device, "telephone");
assert.equal((await ask("DELETE", `/devices/${other.sid}`, laptop)).status, 204);
assert.equal((await ask("GET", "/devices", telephone)).status, 401);
const third = await logIn("tablet");
const end = await ask("POST", "/logout-everywhere", laptop);
assert.equal(end.status, 204);
assert.match(end.headers.getSetCookie()[0], /^__Host-sid=; Max-Age=0;/);
assert.equal((await ask("GET", "/devices", laptop)).status, 401);
assert.equal((await ask("GET", "/devices", third)).status, 401);
server.close();
server.closeAllConnections();
