import { createAdaptorServer } from "@hono/node-server";
import { useSession, useSessionStorage } from "@hono/session";
import { createEncryptionKey, jweEncrypt } from "@hono/session/cookies";
import { Hono } from "hono";
import { connect, jsonStore, listening } from "./serving.js";

/** Its README: "It is recommended to provide value for `duration.absolute`". */
const DURATION = { absolute: 3600 };

export const honoSession = {
  name: "@hono/session",
  packages: ["@hono/session"],
  mounted:
    "Hono, a storage of three verbs on Redis; advised: `duration.absolute`; to prolong: `duration.inactivity`",
  isStateless: false,
  hasOwnStore: true,
  hasSecret: true,
  takesOneSecret: true,
  /** It logs each cookie that it cannot open, and goes on as without one. */
  isExpectedLog: (error) => /^ERR_JW[ET]_/.test(error?.code),
  async serve({ redis, secrets: [secret], isDefault, isRolling, answer }) {
    const client = await connect(redis);
    const duration = isRolling ? { ...DURATION, inactivity: 600 } : DURATION;
    const app = new Hono();
    app.onError((_error, c) => c.json({}, 500));
    app.use(
      useSessionStorage(jsonStore(client, "hono:")),
      useSession({ secret, ...(isDefault ? {} : { duration }) }),
    );
    app.all("*", async (c) => {
      const { status, body, location } = await answer(c.req.raw, wordsOf(c.var.session));
      return location === undefined ? c.json(body, status) : c.redirect(location, status);
    });
    return listening(createAdaptorServer(app), () => client.destroy());
  },
  forge: async ({ key, secret }) => {
    if (secret === undefined) return []; // The cookie is encrypted.
    const sid = key.replace("hono:", "");
    const { jwe } = await jweEncrypt({ sid }, await createEncryptionKey(secret), DURATION);
    return [`sid=${jwe}`];
  },
};

function wordsOf(session) {
  const set = (field, value) => session.update((before) => ({ ...before, [field]: value }));
  return {
    read: async () => (await session.get()) ?? {},
    set,
    login: (user) => set("user", user),
    logout: async () => {
      await session.get();
      session.delete();
    },
  };
}
