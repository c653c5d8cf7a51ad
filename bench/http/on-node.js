/** The route on node:http. */
import { createServer } from "node:http";
import { nodeSessions, requireSession } from "latchkey/node";
import { identityOf } from "./identities.js";
import { isOurs, oursOf } from "./latchkey.js";

const LOGIN = "/login/";

export async function onNode(name, redisUrl) {
  const answer = isOurs(name) ? await ours(name, redisUrl) : await others(name, redisUrl);
  const server = createServer((req, res) => {
    answer(req, res).catch(() => sendJson(res, 500, { error: "failed" }));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

async function ours(name, redisUrl) {
  const open = nodeSessions(await oursOf(name, redisUrl));
  const isLetIn = requireSession();
  return async (req, res) => {
    const session = await open(req, res);
    if (req.url.startsWith(LOGIN)) {
      await session.login(req.url.slice(LOGIN.length));
      sendJson(res, 200, {});
    } else if (isLetIn(session, res)) sendJson(res, 200, { user: session.user });
  };
}

async function others(name, redisUrl) {
  const identity = await identityOf(name, redisUrl);
  return async (req, res) => {
    if (req.url.startsWith(LOGIN)) {
      sendJson(res, 200, await identity.login(req.url.slice(LOGIN.length), req, res));
      return;
    }
    const user = await identity.user(req, res);
    if (user === undefined) sendJson(res, 401, { error: "nobody" });
    else sendJson(res, 200, { user });
  };
}

function sendJson(res, status, body = {}) {
  res.statusCode = status;
  res.setHeader("content-type", "application/json");
  res.end(JSON.stringify(body));
}
