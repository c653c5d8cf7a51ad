/**
 * A process that visits, keeps something in an anonymous session, and logs in, over and over until it
 * is killed. Plain JavaScript, as verbs.js. Tells its parent the token before each login, and each
 * step that it is about to take in Redis, so that the parent can choose between which two it is killed.
 */
import { createSessions } from "latchkey";
import { redisStore } from "latchkey/redis";

const [url = "", prefix = "", name = ""] = process.argv.slice(2);
const store = await redisStore({ url, prefix, callTimeout: "60s" });
const sessions = createSessions({ store: stepwise(store) });

/**
 * The store itself, telling before each call.
 * @param {typeof store} real
 */
function stepwise(real) {
  return new Proxy(real, {
    get(_, name) {
      const method = Reflect.get(real, name);
      if (typeof method !== "function" || name === "mintId") return method?.bind(real);
      return (/** @type {unknown[]} */ ...args) => {
        process.send?.({ step: name });
        return method.apply(real, args);
      };
    },
  });
}

/**
 * A request with this token, or none; `cookies` are those that its answer sets.
 * @param {string} [token]
 */
function request(token) {
  /** @type {Map<string, readonly string[]>} */
  const head = new Map();
  return {
    method: "GET",
    scheme: /** @type {const} */ ("https"),
    headers: (/** @type {string} */ name) =>
      name === "x-session-id" && token !== undefined ? [token] : [],
    responseHeader: (/** @type {string} */ name) => head.get(name.toLowerCase()) ?? [],
    setResponseHeader: (/** @type {string} */ name, /** @type {readonly string[]} */ lines) => {
      head.set(name.toLowerCase(), lines);
    },
    cookies: () => head.get("set-cookie") ?? [],
  };
}

for (let round = 0; ; round++) {
  const user = `${name}-${round}`;
  const visit = request();
  const visitor = await sessions.open(visit);
  visitor.data["cart"] = [1];
  await visitor.commit();
  const anonymous = /=([^;]+)/.exec(visit.cookies()[0] ?? "")?.[1] ?? "";
  process.send?.({ user, anonymous });
  const session = await sessions.open(request(anonymous));
  await session.login(user, { keep: ["cart"], transport: "header" });
}
