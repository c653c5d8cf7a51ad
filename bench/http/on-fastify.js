/** The route on Fastify 5. */
import cookie from "@fastify/cookie";
import fastifySession from "@fastify/session";
import { RedisStore } from "connect-redis";
import fastify from "fastify";
import { fastifySessions, requireSession } from "latchkey/fastify";
import { connect, identityOf, SECRET } from "./identities.js";
import { isOurs, oursOf } from "./latchkey.js";

export async function onFastify(name, redisUrl) {
  const app = fastify();
  if (isOurs(name)) await ours(app, name, redisUrl);
  else if (name === "@fastify/session") await session(app, redisUrl);
  else await others(app, name, redisUrl);
  await app.listen({ port: 0, host: "127.0.0.1" });
  return app.server;
}

async function ours(app, name, redisUrl) {
  await app.register(fastifySessions(await oursOf(name, redisUrl)));
  app.post("/login/:user", async ({ session, params }) => {
    await session.login(params.user);
    return {};
  });
  const isLoggedIn = { onRequest: requireSession() };
  app.get("/profile", isLoggedIn, async ({ session }) => ({ user: session.user }));
}

async function session(app, redisUrl) {
  const store = new RedisStore({ client: await connect(redisUrl) });
  await app.register(cookie);
  await app.register(fastifySession, {
    ...{ store, secret: SECRET, saveUninitialized: false },
    cookie: { secure: false }, // Because this is plain http.
  });
  app.post("/login/:user", async (request) => {
    request.session.set("user", request.params.user);
    return {};
  });
  const onRequest = async (request, reply) => {
    if (!request.session.get("user")) return reply.code(401).send();
  };
  app.get("/profile", { onRequest }, async (request) => ({ user: request.session.get("user") }));
}

async function others(app, name, redisUrl) {
  const identity = await identityOf(name, redisUrl);
  app.decorateRequest("user", null);
  app.post("/login/:user", async (request, reply) => {
    const headers = await identity.login(request.params.user, request.raw, reply.raw);
    for (const [field, value] of Object.entries(reply.raw.getHeaders())) reply.header(field, value);
    return headers ?? {};
  });
  const onRequest = async (request, reply) => {
    request.user = await identity.user(request.raw, reply.raw);
    if (request.user === undefined) return reply.code(401).send();
  };
  app.get("/profile", { onRequest }, async (request) => ({ user: request.user }));
}
