import { createServer } from "node:http";
import { getIronSession } from "iron-session";
import { listening } from "./serving.js";

export const ironSession = {
  name: "iron-session",
  packages: ["iron-session"],
  mounted: "`node:http`; no store: the session is the cookie",
  isStateless: true,
  hasSecret: true,
  async serve({ secrets, answer }) {
    // The highest number seals; all of them open.
    const newestLast = [...secrets].reverse();
    const password = Object.fromEntries(newestLast.map((secret, i) => [i + 1, secret]));
    const options = { password, cookieName: "iron", cookieOptions: { secure: false } };
    const server = createServer(async (req, res) => {
      try {
        const session = await getIronSession(req, res, options);
        const { status, body, location } = await answer(req, wordsOf(session));
        res.writeHead(status, location === undefined ? {} : { location });
        res.end(JSON.stringify(body));
      } catch {
        res.writeHead(500).end("{}");
      }
    });
    return listening(server);
  },
};

function wordsOf(session) {
  const set = (field, value) => {
    session[field] = value;
    return session.save();
  };
  return {
    read: () => session,
    set,
    login: (user) => set("user", user),
    logout: () => session.destroy(),
  };
}
