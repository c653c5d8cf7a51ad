/** The most used session store on Redis, as an application gets it: connect-redis, express-session. */
import { createRequire } from "node:module";
import { RedisStore } from "connect-redis";
import { createClient } from "redis";

export interface ConnectRedis {
  /** Stores a session that holds `{ userId }` and nothing else, made by express-session's own code. */
  logIn(userId: string): Promise<void>;
  close(): void;
}

// Without types: those that exist claim `req.session` of all of Express, which is taken here.
const expressSession: (options: object) => unknown = createRequire(import.meta.url)(
  "express-session",
);

interface Request {
  sessionID?: string;
  session?: Record<string, unknown>;
}

interface Taught {
  generate?(request: Request): void;
  set: RedisStore["set"];
}

/** @param cookie express-session's `cookie` option; its default gives the browser no `Expires` */
export async function connectRedis(url: string, cookie: object = {}): Promise<ConnectRedis> {
  const client = await createClient({ url }).connect();
  const store: Taught = new RedisStore({ client });
  // Returns the middleware, and teaches the store how sessions begin: `generate`.
  expressSession({ store, cookie, secret: "x", resave: false, saveUninitialized: false });
  return {
    async logIn(userId) {
      const request: Request = {};
      store.generate?.(request);
      const { sessionID, session } = request;
      if (sessionID === undefined || session === undefined) throw new Error("no session began");
      await store.set(sessionID, Object.assign(session, { userId }));
    },
    close: () => client.destroy(),
  };
}
