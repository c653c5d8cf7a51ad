/**
 * A store that keeps its contract, but for one line each: memory stores in a thin disguise. They are
 * here to be rejected, each by the one check that stands for its line.
 */
import type { NewSession, SessionId, SessionStore } from "latchkey";
import { memoryStore } from "latchkey/memory";
import type { ManualClock } from "latchkey/testing";

export type Breaks = (store: SessionStore, clock: ManualClock) => Partial<SessionStore>;

/** @returns the memory store with some methods of its own in their place */
export function brokenStore(breaks: Breaks, clock: ManualClock): SessionStore {
  const store = memoryStore({ clock });
  const whole: SessionStore = {
    mintId: (user, beside) => store.mintId(user, beside),
    create: (session) => store.create(session),
    load: (sid) => store.load(sid),
    update: (sid, change) => store.update(sid, change),
    touch: (touched, life, intervalMs) => store.touch(touched, life, intervalMs),
    rotate: (rotation) => store.rotate(rotation),
    revoke: (sid, owner) => store.revoke(sid, owner),
    revokeUser: (user, except) => store.revokeUser(user, except),
    generation: (user) => store.generation(user),
    list: (user) => store.list(user),
    close: () => store.close(),
  };
  return { ...whole, ...breaks(store, clock) };
}

/** `PEXPIRE` of the idle timeout, whatever the deadline was. */
export const movesBack: Breaks = (store, clock) => ({
  async touch(touched, life, intervalMs) {
    const answer = await store.touch(touched, life, intervalMs);
    const loaded = await store.load(touched.sid);
    const idle = life.idleTimeoutMs ?? Number.POSITIVE_INFINITY;
    if (answer.outcome !== "live" || loaded.outcome !== "found" || idle >= answer.remainingMs) {
      return answer;
    }
    const { record } = loaded;
    const ending = { idleTimeoutMs: undefined, absoluteTimeoutMs: idle };
    await store.revoke(record.sid);
    await store.create({ ...record, life: ending, cap: undefined, generation: undefined });
    return { outcome: "live", expiresAt: clock.now() + idle, remainingMs: idle };
  },
});

/** `SET NX` of the session's key alone: what became of an id before is not asked. */
export const createsOnRotated: Breaks = (store) => ({
  async create(session) {
    const created = await store.create(session);
    const isTaken = created.outcome !== "exists" || (await holds(store, session.sid));
    return isTaken ? created : store.create(elsewhere(store, session));
  },
});

/** `RENAMENX` to the new id: what became of that before is not asked. */
export const rotatesOntoRotated: Breaks = (store) => ({
  async rotate(rotation) {
    const { next, user } = rotation;
    const rotated = await store.rotate(rotation);
    if (rotated.outcome !== "exists" || (await holds(store, next.sid))) return rotated;
    return store.rotate({ ...rotation, next: { ...next, sid: store.mintId(user) } });
  },
});

/** Those that ran out are cleared away in silence. */
export const createsInSilence: Breaks = (store) => ({
  async create(session) {
    const created = await store.create(session);
    return "expired" in created ? { ...created, expired: [] } : created;
  },
});

/** Two clear away at once, and both say so. */
export const listsTwice: Breaks = (store) => {
  const told = new Map<string, readonly SessionId[]>();
  return {
    async list(user) {
      const listing = await store.list(user);
      const expired = [...(told.get(user) ?? []), ...listing.expired];
      told.set(user, expired);
      return { ...listing, expired };
    },
  };
};

/** The time of the last `revokeUser` is its number. */
export const countsByClock: Breaks = (store, clock) => {
  const revokedAt = new Map<string, number>();
  return {
    async revokeUser(user, except) {
      revokedAt.set(user, clock.now());
      return store.revokeUser(user, except);
    },
    generation: async (user) => revokedAt.get(user) ?? 0,
  };
};

/** Cleans up after itself, and after everybody else. */
export const closesSessions: Breaks = (store) => {
  const begun: SessionId[] = [];
  return {
    async create(session) {
      begun.push(session.sid);
      return store.create(session);
    },
    async close() {
      for (const sid of begun) await store.revoke(sid);
    },
  };
};

/** Whether a session lives under this very id. */
async function holds(store: SessionStore, sid: SessionId): Promise<boolean> {
  const loaded = await store.load(sid);
  return loaded.outcome === "found" && loaded.record.sid === sid;
}

/** A session as wanted, under an id that the memory store lets it have. */
function elsewhere(store: SessionStore, session: NewSession): NewSession {
  return { ...session, sid: store.mintId(session.user) };
}
