import { AsyncLocalStorage } from "node:async_hooks";
import { createServer } from "node:http";
import { betterAuth as createAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { connect, listening, signed } from "./serving.js";

/** It saves at once, so that a request under way can only be held between its read and its write. */
const held = new AsyncLocalStorage();
/** What is not about sessions is cheap. */
const password = { hash: async (text) => text, verify: async (it) => it.hash === it.password };
const field = (type) => ({ type, required: false });
const FIELDS = {
  ...{ a: field("string"), b: field("string"), save: field("string") },
  ...{ n: field("number"), big: field("number"), map: field("json") },
};

export const betterAuth = {
  name: "better-auth",
  packages: ["better-auth"],
  mounted:
    "`node:http`, `secondaryStorage` on Redis, users in memory; held between its read and write; to prolong: `updateAge: 0`, else `disableSessionRefresh`",
  isStateless: false,
  hasSecret: true,
  lists: true,
  isIndex: (key) => key.startsWith("ba:active-sessions-"),
  async serve({ redis, secrets, isRolling, answer }) {
    const client = await connect(redis);
    const auth = createAuth({
      baseURL: "http://127.0.0.1",
      secrets: secrets.map((value, i) => ({ version: secrets.length - i, value })),
      database: memoryAdapter({ user: [], session: [], account: [], verification: [] }),
      secondaryStorage: storageOn(client),
      emailAndPassword: { enabled: true, autoSignIn: false, password },
      session: {
        additionalFields: FIELDS,
        ...(isRolling === undefined ? {} : { updateAge: 0, disableSessionRefresh: !isRolling }),
      },
      logger: { disabled: true },
    });
    await auth.api.signUpEmail({ body: credentials("ada") });
    const server = createServer(async (req, res) => {
      try {
        const { status, body, location } = await answer(req, wordsOf(auth, req, res));
        res.writeHead(status, location === undefined ? {} : { location });
        res.end(JSON.stringify(body));
      } catch (error) {
        res.writeHead(error.statusCode ?? 500).end("{}");
      }
    });
    return listening(server, () => client.destroy());
  },
  forge: ({ key, secret }) => {
    const token = key.replace("ba:", "");
    return [
      `better-auth.session_token=${secret === undefined ? token : signed(token, secret, "=")}`,
    ];
  },
};

function storageOn(client) {
  return {
    get: (key) => client.get(`ba:${key}`),
    set: async (key, value, ttl) => {
      await held.getStore()?.();
      await client.set(`ba:${key}`, value, ttl ? { EX: ttl } : {});
    },
    delete: async (key) => {
      await client.del(`ba:${key}`);
    },
  };
}

function wordsOf(auth, req, res) {
  const headers = new Headers({ cookie: req.headers.cookie ?? "" });
  const call = async (name, options = {}) => {
    const response = await auth.api[name]({ ...options, headers, asResponse: true });
    for (const line of response.headers.getSetCookie()) res.appendHeader("set-cookie", line);
    if (!response.ok) throw Object.assign(new Error(name), { statusCode: response.status });
    return response.json();
  };
  return {
    read: async (pass) => {
      const found = await held.run(pass, () => call("getSession"));
      return { ...found?.session, user: found?.user.name };
    },
    set: (name, value, pass) =>
      held.run(pass, () => call("updateSession", { body: { [name]: value } })),
    login: (user, pass) => held.run(pass, () => call("signInEmail", { body: credentials(user) })),
    logout: () => call("signOut"),
    list: async () => (await call("listSessions")).length,
    endAll: () => call("revokeSessions"),
    endOthers: () => call("revokeOtherSessions"),
  };
}

function credentials(user) {
  return { email: `${user}@example.com`, password: "correct horse", name: user };
}
