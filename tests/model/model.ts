/**
 * What the port promises, as a few Maps: the expected answer to every verb of a `SessionStore`.
 *
 * Written from the contract and unlike any store: a session is one object that has had several ids,
 * and an old id leads to it if every step on the way there is still remembered.
 *
 * Instants are epoch ms of a clock that `elapse` moves forward. Who is asked passes the `now` of the
 * store's own answer where there is one: then all instants agree to the millisecond.
 */
import {
  type Change,
  DATA_MAX_BYTES,
  DATA_MAX_FIELDS,
  type Life,
  type LoadOutcome,
  type NewSession,
  ROTATED_MEMORY_MS,
  type RotateOutcome,
  type Rotation,
  type SessionId,
  type SessionRecord,
  type TouchOutcome,
  type UpdateOutcome,
} from "latchkey";

/** What a holder can present. */
export interface Presented {
  readonly sid: SessionId;
  readonly secretHash: string | undefined;
}

/** An id that a session had, and how long it goes on to mean it. */
interface Former extends Presented {
  /** No instant at all if there was no grace. */
  readonly graceEndsAt: number;
  readonly endedAt: number;
}

interface Previous {
  readonly secretHash: string | undefined;
  readonly graceEndsAt: number;
}

export interface ModelSession {
  readonly user: string | undefined;
  /** Nothing but a user and a fixed end: a store may keep no instants of it. */
  readonly isPlain: boolean;
  readonly createdAt: number;
  readonly former: Former[];
  readonly data: Map<string, string>;
  sid: SessionId;
  secretHash: string | undefined;
  previous: Previous | undefined;
  /** While the grace of the last rotation runs. */
  young: { readonly seed: string | undefined; readonly until: number } | undefined;
  version: number;
  device: string | undefined;
  authTime: number;
  lastSeenAt: number;
  absoluteExpiresAt: number;
  expiresAt: number;
  isRevoked: boolean;
  /** Somebody was told that it ran out. */
  isTold: boolean;
}

/** The touch interval of all touches that have one. */
export const TOUCH_INTERVAL_MS = 5 * 60_000;

export class Model {
  /** Every session that ever began, by each id it ever had. */
  readonly byId = new Map<SessionId, ModelSession>();
  /** Everything that ever was presented or may be. */
  readonly presented: Presented[] = [];
  /** How often all sessions of a user were revoked. */
  readonly #revoked = new Map<string, number>();
  #now = 0;

  /** The latest instant that is known to be over. Time does not run backwards. */
  passed(now: number): number {
    this.#now = Math.max(this.#now, now);
    return this.#now;
  }

  get sessions(): readonly ModelSession[] {
    return [...new Set(this.byId.values())];
  }

  revocations(user: string): number {
    return this.#revoked.get(user) ?? 0;
  }

  /** The instants at which some answer changes by itself. */
  deadlines(): number[] {
    return this.sessions.flatMap((session) => [
      session.expiresAt,
      session.lastSeenAt + TOUCH_INTERVAL_MS,
      ...(session.previous ? [session.previous.graceEndsAt] : []),
      ...session.former.flatMap(({ endedAt }) => [endedAt, endedAt + ROTATED_MEMORY_MS]),
    ]);
  }

  livesOf(user: string | undefined, now: number): readonly ModelSession[] {
    return this.sessions.filter(
      (session) => user !== undefined && session.user === user && isLive(session, now),
    );
  }

  /** The session that an id means, at any time of its memory or during its grace alone. */
  reached(sid: SessionId, now: number, through: "grace" | "memory"): ModelSession | undefined {
    const session = this.byId.get(sid);
    if (session === undefined || !isLive(session, now)) return undefined;
    const way = session.former.slice(positionOf(session, sid));
    const isThere = ({ graceEndsAt, endedAt }: Former): boolean =>
      through === "memory" ? endedAt + ROTATED_MEMORY_MS > now : graceEndsAt > now;
    return way.every(isThere) ? session : undefined;
  }

  load(sid: SessionId, now: number): LoadOutcome {
    const session = this.byId.get(sid);
    const was = session?.former[positionOf(session, sid)];
    if (was === undefined) {
      return session !== undefined && isLive(session, now)
        ? { outcome: "found", record: shown(session, now) }
        : { outcome: "missing" };
    }
    const { secretHash, graceEndsAt, endedAt } = was;
    if (endedAt + ROTATED_MEMORY_MS <= now) return { outcome: "missing" };
    if (graceEndsAt <= now) return { outcome: "rotated", secretHash, lateMs: now - endedAt };
    const became = this.reached(sid, now, "grace");
    if (became === undefined) return { outcome: "missing" };
    const previous = { secretHash, graceMs: graceEndsAt - now };
    return { outcome: "found", record: { ...shown(became, now), previous } };
  }

  /** Why no session begins; undefined: one does. */
  refusal(wanted: NewSession, isStale: boolean, now: number): string | undefined {
    const { sid, user, cap } = wanted;
    const taken = this.byId.get(sid);
    if (taken !== undefined && taken.sid === sid && isLive(taken, now)) return "exists";
    if (isStale) return "stale";
    const isFull = cap !== undefined && this.livesOf(user, now).length >= cap.max;
    return isFull && cap.policy === "reject" ? "limit" : undefined;
  }

  begin({ sid, user, secretHash, life, device, data }: NewSession, now: number): SessionRecord {
    const session: ModelSession = {
      ...{ sid, user, secretHash, device, data: new Map(data), version: 0 },
      ...{ former: [], previous: undefined, young: undefined, isRevoked: false, isTold: false },
      ...{ createdAt: now, ...beginning(life, now) },
      isPlain:
        secretHash === undefined &&
        life.idleTimeoutMs === undefined &&
        device === undefined &&
        data.size === 0,
    };
    this.byId.set(sid, session);
    this.presented.push({ sid, secretHash });
    return shown(session, now);
  }

  update(sid: SessionId, { set, unset, ifVersion }: Change, now: number): UpdateOutcome {
    const session = this.reached(sid, now, "grace");
    if (session === undefined) return { outcome: "gone" };
    const { version } = session;
    if (ifVersion !== undefined && ifVersion !== version) return { outcome: "conflict", version };
    const data = new Map([...session.data, ...set].filter(([name]) => !unset.has(name)));
    const texts = [...data].map(([name, text]) => name + text);
    const isSame =
      texts.sort().join() ===
      [...session.data]
        .map(([name, text]) => name + text)
        .sort()
        .join();
    if (isSame) return { outcome: "unchanged", version };
    const bytes = Buffer.byteLength(texts.join(""));
    if (data.size > DATA_MAX_FIELDS || bytes > DATA_MAX_BYTES) return { outcome: "too-large" };
    session.data.clear();
    for (const [name, text] of data) session.data.set(name, text);
    session.version++;
    return { outcome: "updated", version: session.version };
  }

  touch(sid: SessionId, life: Life, intervalMs: number, now: number): TouchOutcome {
    const session = this.reached(sid, now, "grace");
    if (session === undefined) return { outcome: "gone" };
    const { idleTimeoutMs } = life;
    if (idleTimeoutMs !== undefined && now - session.lastSeenAt >= intervalMs) {
      const moved = Math.min(now + idleTimeoutMs, session.absoluteExpiresAt);
      session.lastSeenAt = now;
      session.expiresAt = Math.max(session.expiresAt, moved);
    }
    const { expiresAt } = session;
    return { outcome: "live", expiresAt, remainingMs: expiresAt - now };
  }

  rotate(rotation: Rotation, isStale: boolean, now: number): RotateOutcome {
    const { secretHash, next, graceMs, login } = rotation;
    const session = this.reached(rotation.sid, now, "grace");
    if (session === undefined) return { outcome: "gone" };
    const was = session.former[positionOf(session, rotation.sid)];
    const { previous, young } = session;
    const inGrace = previous !== undefined && previous.graceEndsAt > now;
    const isNewest = was === undefined && session.secretHash === secretHash;
    const isBefore = was
      ? was.secretHash === secretHash
      : inGrace && previous.secretHash === secretHash;
    if (!isNewest && !isBefore) return { outcome: "gone" };
    const isYoung = young !== undefined && young.until > now;
    if (graceMs > 0 && isBefore && isYoung) {
      return { outcome: "repeated", sid: session.sid, seed: young.seed };
    }
    if (graceMs > 0 && (isBefore || isYoung)) return { outcome: "kept" };
    const isMove = next.sid !== session.sid;
    const taken = this.byId.get(next.sid);
    if (isMove && taken?.sid === next.sid && isLive(taken, now)) return { outcome: "exists" };
    if (isStale) return { outcome: "stale" };

    const endedAt = now + graceMs;
    const graceEndsAt = graceMs > 0 ? endedAt : Number.NEGATIVE_INFINITY;
    const old = { secretHash: session.secretHash, graceEndsAt };
    if (isMove) session.former.push({ ...old, endedAt, sid: session.sid });
    session.previous = isMove ? undefined : old;
    session.young = graceMs > 0 ? { until: endedAt, seed: next.seed } : undefined;
    session.sid = next.sid;
    session.secretHash = next.secretHash;
    this.byId.set(next.sid, session);
    this.presented.push({ sid: next.sid, secretHash: next.secretHash });
    if (login !== undefined) {
      Object.assign(session, beginning(login.life, now));
      session.device = login.device ?? session.device;
    }
    const { expiresAt, absoluteExpiresAt } = session;
    return { outcome: "rotated", expiresAt, remainingMs: expiresAt - now, absoluteExpiresAt };
  }

  revoke(sid: SessionId, owner: string | undefined, now: number): "revoked" | "absent" {
    const session = this.reached(sid, now, "memory");
    if (session === undefined || (owner !== undefined && owner !== session.user)) return "absent";
    session.isRevoked = true;
    return "revoked";
  }

  revokeUser(user: string, except: SessionId | undefined, now: number): number {
    this.#revoked.set(user, this.revocations(user) + 1);
    const kept = except && this.reached(except, now, "memory");
    const ended = this.livesOf(user, now).filter((session) => session !== kept);
    for (const session of ended) session.isRevoked = true;
    return ended.length;
  }
}

export function isLive({ isRevoked, expiresAt }: ModelSession, now: number): boolean {
  return !isRevoked && expiresAt > now;
}

/** What a store shows of a session. */
export function shown(session: ModelSession, now: number): SessionRecord {
  const { sid, user, secretHash, createdAt, authTime, lastSeenAt, previous } = session;
  const { absoluteExpiresAt, expiresAt, version, device, data } = session;
  return {
    ...{ sid, user, secretHash, createdAt, authTime, lastSeenAt, absoluteExpiresAt, expiresAt },
    ...{ remainingMs: expiresAt - now, version, device, data: new Map(data) },
    previous: previous && {
      secretHash: previous.secretHash,
      graceMs: previous.graceEndsAt - now,
    },
  };
}

function beginning({ idleTimeoutMs, absoluteTimeoutMs }: Life, now: number) {
  const absoluteExpiresAt = now + absoluteTimeoutMs;
  const idleEnd = now + (idleTimeoutMs ?? absoluteTimeoutMs);
  const expiresAt = Math.min(idleEnd, absoluteExpiresAt);
  return { authTime: now, lastSeenAt: now, absoluteExpiresAt, expiresAt };
}

/** How many ids the session had before this one. */
function positionOf(session: ModelSession, sid: SessionId): number {
  const at = session.former.findIndex((former) => former.sid === sid);
  return at === -1 ? session.former.length : at;
}
