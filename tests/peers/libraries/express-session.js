import { createServer } from "node:http";
import { RedisStore } from "connect-redis";
import express from "express";
import session from "express-session";
import { connect, listening, signed } from "./serving.js";

/** Its README: "Typically, you'll want `false`", "useful for implementing login sessions". */
const ADVISED = { resave: false, saveUninitialized: false };
/** Spelled out, it does not warn of them. */
const DEFAULTS = { resave: true, saveUninitialized: true };

export const expressSession = {
  name: "express-session",
  packages: ["express-session", "connect-redis"],
  mounted:
    "Express, connect-redis; advised: `resave: false, saveUninitialized: false`; to prolong: `rolling`; for a new id: `regenerate`, as its README shows",
  isStateless: false,
  hasSecret: true,
  renews: true,
  async serve({ redis, secrets, isDefault, isRolling = false, answer }) {
    const client = await connect(redis);
    const store = new RedisStore({ client });
    const app = express();
    const options = { ...(isDefault ? DEFAULTS : ADVISED), rolling: isRolling };
    app.use(session({ store, secret: secrets, ...options }));
    app.use(async (req, res) => {
      const { status, body, location } = await answer(req, wordsOf(req));
      if (location === undefined) res.status(status).json(body);
      else res.redirect(status, location);
    });
    return listening(createServer(app), () => client.destroy());
  },
  forge: ({ key, secret }) =>
    secret === undefined
      ? [`connect.sid=${key.replace("sess:", "")}`]
      : [`connect.sid=${encodeURIComponent("s:")}${signed(key.replace("sess:", ""), secret)}`],
};

function wordsOf(req) {
  const call = (name) =>
    new Promise((resolve, reject) => {
      req.session[name]((error) => (error ? reject(error) : resolve()));
    });
  return {
    read: () => req.session,
    set: (field, value) => {
      req.session[field] = value;
    },
    login: (user) => {
      req.session.user = user;
    },
    renew: () => call("regenerate"),
    loginRenewed: async (user) => {
      await call("regenerate");
      req.session.user = user;
    },
    logout: () => call("destroy"),
  };
}
