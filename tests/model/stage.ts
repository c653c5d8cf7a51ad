/** Requests without a server whose every call of the store is a step, and what they leave behind. */
import assert from "node:assert/strict";
import {
  createSessions,
  type HttpExchange,
  type Layout,
  type Session,
  type SessionId,
  type SessionManager,
  type SessionRecord,
  type SessionStore,
} from "latchkey";
import { memoryStore } from "latchkey/memory";
import { ManualClock } from "latchkey/testing";
import type { Step } from "../support/every-order.ts";

export interface Stage {
  /** What the actors ask: each call of the store waits for its turn. */
  readonly sessions: SessionManager;
  /** The same sessions, asked at once: to set a scene, and to look at it afterwards. */
  readonly backstage: SessionManager;
  readonly clock: ManualClock;
  /** The verbs that the store has carried out, in their order. */
  readonly done: string[];
  /** A request with this token: its handler, and then its response. */
  request<T>(token: string, handler: (session: Session) => Promise<T>): Promise<T>;
  /** A session to begin with, and its token. */
  begin(user?: string): Promise<string>;
  /** Every token that was handed out. */
  readonly tokens: string[];
  /** Those of them that open a session now. */
  opening(): Promise<readonly string[]>;
  /** Every token opened its session at the moment when it was handed out. */
  checkHandedOut(): Promise<void>;
}

export type Make = (step: Step, clock: ManualClock) => Stores;

interface Stores {
  readonly store: SessionStore;
  readonly backstage: SessionStore;
}

export function stage(step: Step, layout: Layout, make: Make): Stage {
  const clock = new ManualClock();
  const stores = make(step, clock);
  const done: string[] = [];
  const options = { layout, idleTimeout: "30m", rotationGrace: "5m" } as const;
  const sessions = createSessions({ ...options, store: noted(stores.store, done) });
  const backstage = createSessions({ ...options, store: stores.backstage });
  const tokens: string[] = [];
  const handedOut: Promise<string>[] = [];
  const exchange = (token: string): HttpExchange => ({
    ...{ method: "GET", scheme: "https", responseHeader: () => [] },
    headers: (name: string) => (name === "cookie" && token !== "" ? [`__Host-sid=${token}`] : []),
    setResponseHeader: (name, [line = ""]) => {
      if (name !== "Set-Cookie") return;
      const [, fresh = ""] = /^[^=]+=([^;]*)/.exec(line) ?? [];
      if (fresh === "") return;
      tokens.push(fresh);
      // Nothing waits in here, so this is the answer of now.
      handedOut.push(backstage.check(fresh).then(({ status }) => status));
    },
  });
  return {
    ...{ sessions, backstage, clock, done, tokens },
    request: async (token, handler) => handler(await sessions.open(exchange(token))),
    begin: async (user) => {
      const session = await backstage.open(exchange(""));
      if (user !== undefined) return (await session.login(user)).token;
      session.data["cart"] = 1;
      await session.commit();
      return tokens.at(-1) ?? "";
    },
    opening: async () => {
      const answers = await Promise.all(tokens.map((token) => backstage.check(token)));
      return [...new Set(tokens.filter((_, i) => answers[i]?.status === "valid"))];
    },
    checkHandedOut: async () => {
      for (const status of await Promise.all(handedOut)) assert.equal(status, "valid");
    },
  };
}

/** The real store: each verb happens at one moment, and when, is a step. */
export const atomic: Make = (step, clock) => {
  const store = memoryStore({ clock });
  const at = async <T>(verb: string, call: () => Promise<T>): Promise<T> => {
    await step(verb);
    return call();
  };
  return {
    backstage: store,
    store: {
      mintId: (user, beside) => store.mintId(user, beside),
      create: (session) => at("create", () => store.create(session)),
      load: (sid) => at("load", () => store.load(sid)),
      update: (sid, change) => at("update", () => store.update(sid, change)),
      touch: (touched, life, ms) => at("touch", () => store.touch(touched, life, ms)),
      rotate: (rotation) => at("rotate", () => store.rotate(rotation)),
      revoke: (sid, owner) => at("revoke", () => store.revoke(sid, owner)),
      revokeUser: (user, except) => at("revokeUser", () => store.revokeUser(user, except)),
      generation: (user) => at("generation", () => store.generation(user)),
      list: (user) => at("list", () => store.list(user)),
      close: () => store.close(),
    },
  };
};

/**
 * The usual store: what is read is changed and written back as a whole, and a revoke-all walks a list.
 * Right by itself, and each of its two steps may find the world changed since the other.
 */
export const readAndWrite: Make = (step, clock) => {
  const kept = new Map<SessionId, SessionRecord>();
  const nothing = async (): Promise<void> => {};
  return {
    store: naive(kept, step, clock),
    backstage: naive(kept, nothing, clock),
  };
};

function naive(kept: Map<SessionId, SessionRecord>, step: Step, clock: ManualClock): SessionStore {
  const ids = memoryStore();
  const of = (user: string): SessionRecord[] =>
    [...kept.values()].filter((record) => record.user === user);
  const read = (verb: string, sid: SessionId): Promise<SessionRecord | undefined> => {
    // Backstage nothing waits, here neither: a read is answered at once when its turn comes.
    return step(`${verb}: read`).then(() => kept.get(sid));
  };
  const write = async (verb: string, record: SessionRecord): Promise<void> => {
    await step(`${verb}: write`);
    kept.set(record.sid, record);
  };
  return {
    mintId: () => ids.mintId(),
    create: async ({ sid, user, secretHash, life, device, data }) => {
      const now = clock.now();
      const expiresAt = now + life.absoluteTimeoutMs;
      const record: SessionRecord = {
        ...{ sid, user, secretHash, device, data, version: 0, previous: undefined },
        ...{ createdAt: now, authTime: now, lastSeenAt: now, absoluteExpiresAt: expiresAt },
        ...{ expiresAt, remainingMs: life.absoluteTimeoutMs },
      };
      await write("create", record);
      return { outcome: "created", record, evicted: [], expired: [] };
    },
    load: async (sid) => {
      const record = await read("load", sid);
      const remainingMs = (record?.expiresAt ?? 0) - clock.now();
      return record
        ? { outcome: "found", record: { ...record, remainingMs } }
        : { outcome: "missing" };
    },
    update: async (sid, { set, unset }) => {
      const record = await read("update", sid);
      if (record === undefined) return { outcome: "gone" };
      const data = new Map([...record.data, ...set].filter(([name]) => !unset.has(name)));
      const version = record.version + 1;
      await write("update", { ...record, data, version });
      return { outcome: "updated", version };
    },
    touch: async ({ sid }) => {
      const record = await read("touch", sid);
      if (record === undefined) return { outcome: "gone" };
      await write("touch", { ...record, lastSeenAt: clock.now() });
      return { outcome: "live", expiresAt: record.expiresAt, remainingMs: record.remainingMs };
    },
    rotate: async ({ sid, next }) => {
      const record = await read("rotate", sid);
      if (record === undefined) return { outcome: "gone" };
      kept.delete(sid);
      await write("rotate", { ...record, sid: next.sid, secretHash: next.secretHash });
      const { expiresAt, remainingMs } = record;
      return { outcome: "rotated", expiresAt, remainingMs, absoluteExpiresAt: expiresAt };
    },
    revoke: async (sid) => {
      await step("revoke");
      return kept.delete(sid) ? "revoked" : "absent";
    },
    revokeUser: async (user, except) => {
      await step("revokeUser");
      const ended = of(user).filter(({ sid }) => sid !== except);
      for (const { sid } of ended) kept.delete(sid);
      return ended.length;
    },
    generation: async () => {
      await step("generation");
      return 0;
    },
    list: async (user) => {
      await step("list");
      return { records: of(user), expired: [] };
    },
    close: async () => {},
  };
}

/** Notes each verb when it has been carried out, with what it answered. */
function noted(store: SessionStore, done: string[]): SessionStore {
  const note = async <T>(verb: string, call: Promise<T>): Promise<T> => {
    const answer = await call;
    const isOutcome = typeof answer === "object" && answer !== null && "outcome" in answer;
    done.push(`${verb} ${isOutcome ? answer.outcome : answer}`);
    return answer;
  };
  return {
    mintId: (user, beside) => store.mintId(user, beside),
    create: (session) => note("create", store.create(session)),
    load: (sid) => note("load", store.load(sid)),
    update: (sid, change) => note("update", store.update(sid, change)),
    touch: (touched, life, ms) => note("touch", store.touch(touched, life, ms)),
    rotate: (rotation) => note("rotate", store.rotate(rotation)),
    revoke: (sid, owner) => note("revoke", store.revoke(sid, owner)),
    revokeUser: (user, except) => note("revokeUser", store.revokeUser(user, except)),
    generation: (user) => note("generation", store.generation(user)),
    list: (user) => note("list", store.list(user)),
    close: () => store.close(),
  };
}
