/** Ours, on Express. */
import { createServer } from "node:http";
import express from "express";
import { createSessions } from "latchkey";
import { expressSessions } from "latchkey/express";
import { redisStore } from "latchkey/redis";
import { listening } from "./serving.js";

/** Short, so that a use prolongs a session soon. */
const IDLE_MS = 4_000;

export const latchkey = {
  name: "latchkey",
  packages: ["latchkey"],
  mounted:
    "Express, `redisStore`; default options; an increment is `commit({ ifUnchanged: true })`, the call for a new id `session.rotate()`",
  isStateless: false,
  hasSecret: false,
  isOurs: true,
  lists: true,
  renews: true,
  // A use is noted at most once in half of a short idle timeout.
  prolongsAfterMs: IDLE_MS / 2 + 100,
  /** The list of a user's sessions is named after the user. */
  isIndex: (key) => key.includes("{user:"),
  async serve({ redis, isRolling, answer }) {
    const store = await redisStore({ url: redis });
    // Not Secure, because this is plain http.
    const cookie = { name: "sid", secure: false };
    const sessions = createSessions({ store, cookie, ...timeoutOf(isRolling) });
    const app = express();
    app.use(expressSessions(sessions));
    app.use(async (req, res) => {
      const { status, body, location } = await answer(req, wordsOf(req.session, sessions));
      if (location === undefined) res.status(status).json(body);
      else res.redirect(status, location);
    });
    return listening(createServer(app), () => store.close());
  },
  /** All that could be tried: the handle and anything that lies beside it. */
  forge: ({ key, strings }) => {
    const sid = key.split(":").at(-1);
    return [sid, ...strings.map((text) => `${sid}.${text}`)].map(
      (token) => `sid=${encodeURIComponent(token)}`,
    );
  },
};

function timeoutOf(isRolling) {
  if (isRolling === undefined) return {};
  return { idleTimeout: isRolling ? `${IDLE_MS}ms` : false };
}

function wordsOf(session, sessions) {
  return {
    read: () => ({ ...session.data, user: session.user }),
    set: (field, value) => {
      session.data[field] = value;
    },
    login: (user) => session.login(user),
    renew: () => session.rotate(),
    logout: () => session.logout(),
    commit: () => session.commit({ ifUnchanged: true }),
    list: async (user) => (await sessions.list(user)).length,
    endAll: (user) => sessions.revokeUser(user),
    endOthers: (user) => sessions.revokeUser(user, { except: session.sid }),
  };
}
