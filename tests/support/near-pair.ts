/** Two servers on one keyspace: `here` has a near cache, `there` changes things behind its back. */
import {
  createSessions,
  type SessionId,
  type SessionManager,
  type SessionsOptions,
} from "latchkey";
import { type NearCache, type NearCacheOptions, nearCache } from "latchkey/near-cache";
import { redisStore } from "latchkey/redis";
import { exchange } from "./sessions.ts";
import { freshPrefix, PATIENT } from "./stores.ts";
import { until } from "./until.ts";

export interface Here {
  readonly sessions: SessionManager;
  readonly near: NearCache;
  /** Checks the token until it is answered from memory. */
  know(token: string): Promise<void>;
}

export interface There {
  readonly sessions: SessionManager;
  logIn(user: string): Promise<{ readonly token: string; readonly sid: SessionId }>;
}

export interface Pair {
  readonly here: Here;
  readonly there: There;
  readonly prefix: string;
  close(): Promise<void>;
}

/** @param behind where `here` finds the same Redis, if it is another way */
export async function openPair(
  url: string,
  { behind = url, near: options, ...wishes }: PairOptions = {},
): Promise<Pair> {
  const prefix = freshPrefix();
  const store = (at: string) => redisStore({ url: at, prefix, callTimeout: PATIENT });
  const near = nearCache(await store(behind), options);
  const far = await store(url);
  const here = createSessions({ ...wishes, store: near });
  const there = createSessions({ ...wishes, store: far });
  return {
    prefix,
    here: {
      ...{ sessions: here, near },
      know: (token) =>
        until(async () => {
          await here.check(token);
          return near.recall(token) !== undefined;
        }),
    },
    there: {
      sessions: there,
      async logIn(user) {
        const login = await (await there.open(exchange({}))).login(user);
        return login;
      },
    },
    async close() {
      await near.close();
      await far.close();
    },
  };
}

type PairOptions = Omit<Partial<SessionsOptions>, "store"> & {
  readonly behind?: string;
  readonly near?: NearCacheOptions;
};
