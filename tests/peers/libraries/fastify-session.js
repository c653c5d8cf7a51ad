import cookie from "@fastify/cookie";
import session from "@fastify/session";
import { RedisStore } from "connect-redis";
import fastify from "fastify";
import { connect, listening, signed } from "./serving.js";

/** What a new id keeps. */
const FIELDS = ["user", "a"];

export const fastifySession = {
  name: "@fastify/session",
  packages: ["@fastify/session", "@fastify/cookie", "connect-redis"],
  mounted:
    "Fastify, connect-redis; advised: `saveUninitialized: false`; `rolling` is on unless it is set to `false`; for a new id: `regenerate` with the fields to keep",
  isStateless: false,
  hasSecret: true,
  renews: true,
  async serve({ redis, secrets, isDefault, isRolling, answer }) {
    const client = await connect(redis);
    const store = new RedisStore({ client });
    const app = fastify();
    await app.register(cookie);
    await app.register(session, {
      store,
      secret: secrets,
      cookie: { secure: false }, // Because this is plain http.
      ...(isDefault ? {} : { saveUninitialized: false }),
      ...(isRolling === undefined ? {} : { rolling: isRolling }),
    });
    app.all("*", async (request, reply) => {
      const { status, body, location } = await answer(request, wordsOf(request));
      if (location !== undefined) return reply.redirect(location, status);
      return reply.code(status).send(body);
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    return listening(app.server, () => client.destroy());
  },
  forge: ({ key, secret }) => {
    const id = key.replace("sess:", "");
    return [`sessionId=${secret === undefined ? id : signed(id, secret)}`];
  },
};

/** A new id is a new object, so it is asked for each time. */
function wordsOf(request) {
  return {
    read: () => ({ ...request.session }),
    set: (field, value) => request.session.set(field, value),
    login: (user) => request.session.set("user", user),
    renew: () => request.session.regenerate(FIELDS),
    loginRenewed: async (user) => {
      await request.session.regenerate();
      request.session.set("user", user);
    },
    logout: () => request.session.destroy(),
  };
}
