import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import { encrypt, sessionMiddleware } from "hono-sessions";
import { connect, jsonStore, listening } from "./serving.js";

const FIELDS = ["user", "a", "b", "n", "big", "map", "save"];

export const honoSessions = {
  name: "hono-sessions",
  packages: ["hono-sessions"],
  mounted:
    "Hono, a store on Redis; advised: `encryptionKey`, `expireAfterSeconds`, as its README; `autoExtendExpiration` is on unless it is set to `false`; for a new id: `session_key_rotation`",
  isStateless: false,
  hasOwnStore: true,
  hasSecret: true,
  takesOneSecret: true,
  renews: true,
  async serve({ redis, secrets: [secret], isDefault, isRolling, answer }) {
    const client = await connect(redis);
    const { get, set: setFor, delete: deleteSession } = jsonStore(client, "hs:");
    const set = (id, data) => setFor(id, data, secondsUntil(data._expire));
    const app = new Hono();
    app.onError((_error, c) => c.json({}, 500));
    app.use(
      sessionMiddleware({
        store: { getSessionById: get, createSession: set, persistSessionData: set, deleteSession },
        ...(isDefault
          ? {}
          : {
              encryptionKey: secret,
              expireAfterSeconds: 900,
              cookieOptions: { sameSite: "Lax", path: "/", httpOnly: true },
            }),
        ...(isRolling === undefined ? {} : { autoExtendExpiration: isRolling }),
      }),
    );
    app.all("*", async (c) => {
      const { status, body, location } = await answer(c.req.raw, wordsOf(c, c.get("session")));
      return location === undefined ? c.json(body, status) : c.redirect(location, status);
    });
    return listening(createAdaptorServer(app), () => client.destroy());
  },
  forge: async ({ key, secret }) => {
    const id = key.replace("hs:", "");
    return [`session=${secret === undefined ? id : encodeURIComponent(await encrypt(secret, id))}`];
  },
};

/** It does not tell the store of an end, but what it gives to be stored does. */
function secondsUntil(end) {
  return end ? Math.max(1, Math.ceil((new Date(end).getTime() - Date.now()) / 1000)) : undefined;
}

function wordsOf(c, session) {
  const renew = () => c.set("session_key_rotation", true);
  return {
    read: () => Object.fromEntries(FIELDS.map((field) => [field, session.get(field) ?? undefined])),
    set: (field, value) => session.set(field, value),
    login: (user) => session.set("user", user),
    renew,
    loginRenewed: (user) => {
      renew();
      session.set("user", user);
    },
    logout: () => session.deleteSession(),
  };
}
