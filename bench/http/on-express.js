/** The route on Express 5. */
import { RedisStore } from "connect-redis";
import express from "express";
import session from "express-session";
import { expressSessions, requireSession } from "latchkey/express";
import { connect, identityOf, SECRET } from "./identities.js";
import { isOurs, oursOf } from "./latchkey.js";

export async function onExpress(name, redisUrl) {
  const app = express();
  if (isOurs(name)) await ours(app, name, redisUrl);
  else if (name === "express-session") await expressSession(app, redisUrl);
  else await others(app, name, redisUrl);
  return new Promise((resolve) => {
    const server = app.listen(0, "127.0.0.1", () => resolve(server));
  });
}

async function ours(app, name, redisUrl) {
  app.use(expressSessions(await oursOf(name, redisUrl)));
  app.post("/login/:user", async (req, res) => {
    await req.session.login(req.params.user);
    res.json({});
  });
  app.get("/profile", requireSession(), (req, res) => res.json({ user: req.session.user }));
}

async function expressSession(app, redisUrl) {
  const store = new RedisStore({ client: await connect(redisUrl) });
  // As its README advises for login sessions.
  app.use(session({ store, secret: SECRET, resave: false, saveUninitialized: false }));
  app.post("/login/:user", (req, res) => {
    req.session.user = req.params.user;
    res.json({});
  });
  const isLoggedIn = (req, res, next) => (req.session.user ? next() : res.sendStatus(401));
  app.get("/profile", isLoggedIn, (req, res) => res.json({ user: req.session.user }));
}

async function others(app, name, redisUrl) {
  const identity = await identityOf(name, redisUrl);
  app.post("/login/:user", async (req, res) => {
    res.json(await identity.login(req.params.user, req, res));
  });
  const isLoggedIn = async (req, res, next) => {
    req.user = await identity.user(req, res);
    if (req.user === undefined) res.sendStatus(401);
    else next();
  };
  app.get("/profile", isLoggedIn, (req, res) => res.json({ user: req.user }));
}
