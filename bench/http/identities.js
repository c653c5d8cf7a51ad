/**
 * Who asks? Ways to answer that know only Node's own request and response, and so fit each framework:
 * `login` gives the headers that the client is to send, `user` gives undefined for nobody.
 */
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { fromNodeHeaders } from "better-auth/node";
import { getIronSession } from "iron-session";
import { createClient } from "redis";
import { signToken, VERIFIERS } from "./tokens.js";

export const SECRET = "a-secret-of-the-usual-length-0123456789-0123456789";
const BEARER = "Bearer ";

export async function connect(url) {
  const client = createClient({ url });
  client.on("error", () => {}); // The command that failed says so too.
  return client.connect();
}

export async function identityOf(name, redisUrl) {
  if (name.startsWith("none")) return { login: () => ({}), user: () => "somebody" };
  if (name === "better-auth") return better(await connect(redisUrl));
  if (name === "iron-session") return iron();
  const verify = VERIFIERS[name]();
  return {
    login: (user) => ({ authorization: `${BEARER}${signToken(user)}` }),
    user: (req) => {
      const header = req.headers.authorization;
      return header?.startsWith(BEARER) ? verify(header.slice(BEARER.length)) : undefined;
    },
  };
}

function iron() {
  const options = { password: SECRET, cookieName: "iron", cookieOptions: { secure: false } };
  return {
    login: async (user, req, res) => {
      const session = await getIronSession(req, res, options);
      session.user = user;
      await session.save();
    },
    user: async (req, res) => (await getIronSession(req, res, options)).user,
  };
}

function better(client) {
  // What is not about sessions is cheap.
  const password = { hash: async (text) => text, verify: async (it) => it.hash === it.password };
  const auth = betterAuth({
    baseURL: "http://127.0.0.1",
    secret: SECRET,
    database: memoryAdapter({ user: [], session: [], account: [], verification: [] }),
    secondaryStorage: {
      get: (key) => client.get(`ba:${key}`),
      set: async (key, value, ttl) => {
        await client.set(`ba:${key}`, value, ttl ? { EX: ttl } : {});
      },
      delete: async (key) => {
        await client.del(`ba:${key}`);
      },
    },
    emailAndPassword: { enabled: true, autoSignIn: false, password },
    logger: { disabled: true },
  });
  return {
    login: async (user, _req, res) => {
      const body = { email: `${user}@example.com`, password: "correct horse", name: user };
      await auth.api.signUpEmail({ body });
      const response = await auth.api.signInEmail({ body, asResponse: true });
      res.setHeader("set-cookie", response.headers.getSetCookie());
    },
    user: async (req) => {
      const found = await auth.api.getSession({ headers: fromNodeHeaders(req.headers) });
      return found?.user.name;
    },
  };
}
