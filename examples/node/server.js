import { createServer } from "node:http";
import { createSessions } from "latchkey";
import { nodeSessions, requireSession } from "latchkey/node";
import { redisStore } from "latchkey/redis";

const store = await redisStore({ url: process.env.REDIS_URL ?? "redis://127.0.0.1:6379" });
const open = nodeSessions(createSessions({ store }));
const routes = {
  "POST /login": async (session, res) => {
    await session.login("ada", { keep: ["items"] }); // once you have checked that it is ada
    res.writeHead(303, { Location: "/profile" }).end();
  },
  "GET /profile": async (session, res) => {
    if (requireSession()(session, res)) res.end(JSON.stringify({ user: session.user }));
  },
  // And data, saved before the response leaves; and the end.
  "POST /cart": async (session, res) => {
    session.data.items = [...(session.data.items ?? []), "tea"];
    res.writeHead(303, { Location: "/cart" }).end();
  },
  "GET /cart": async (session, res) => res.end(JSON.stringify(session.data)),
  "POST /logout": async (session, res) => {
    await session.logout();
    res.writeHead(204).end();
  },
};
createServer(async (req, res) => {
  const route = routes[`${req.method} ${req.url}`];
  if (route === undefined) return res.writeHead(404).end();
  await route(await open(req, res), res).catch(({ status = 500 }) => res.writeHead(status).end());
}).listen(process.env.PORT ?? 3000);
