import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import Koa from "koa";
import session from "koa-session";
import { connect, jsonStore, listening } from "./serving.js";

export const koaSession = {
  name: "koa-session",
  packages: ["koa-session"],
  mounted:
    "Koa, a store of three verbs on Redis as its README asks for; advised: the same; to prolong: `rolling`; for a new id: `regenerate`",
  isStateless: false,
  hasOwnStore: true,
  hasSecret: true,
  renews: true,
  async serve({ redis, secrets, isRolling = false, answer }) {
    const client = await connect(redis);
    const { get, set, delete: destroy } = jsonStore(client, "koa:");
    const app = new Koa();
    app.keys = secrets;
    app.silent = true;
    app.use(
      session(
        {
          store: {
            get,
            set: (id, value, maxAge) => set(id, value, Math.ceil(maxAge / 1000)),
            destroy,
          },
          rolling: isRolling,
        },
        app,
      ),
    );
    app.use(async (ctx) => {
      const { status, body, location } = await answer(ctx.req, wordsOf(ctx));
      if (location !== undefined) ctx.redirect(location);
      ctx.status = status;
      ctx.body = body;
    });
    return listening(createServer(app.callback()), () => client.destroy());
  },
  forge: ({ key, secret }) => {
    const cookie = `koa.sess=${key.replace("koa:", "")}`;
    if (secret === undefined) return [cookie];
    const mac = createHmac("sha1", secret).update(cookie).digest("base64url");
    return [`${cookie}; koa.sess.sig=${mac}`];
  },
};

function wordsOf(ctx) {
  return {
    read: () => ctx.session.toJSON(),
    set: (field, value) => {
      ctx.session[field] = value;
    },
    login: (user) => {
      ctx.session.user = user;
    },
    renew: () => ctx.session.regenerate(),
    loginRenewed: async (user) => {
      await ctx.session.regenerate();
      ctx.session.user = user;
    },
    logout: () => {
      ctx.session = null;
    },
  };
}
