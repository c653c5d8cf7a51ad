/**
 * The streams that wait for their sessions to end.
 *
 * One timer for all of them looks at each session in turn. Where a near cache knows it, a look costs no
 * command, and the cache hears of a revoke on any server within milliseconds: so `ended` is sent within
 * 1 s of it. Where nothing remembers the session, each look is a command, and there are fewer.
 *
 *     hear(event) ──┐ at once: this server has ended it, and knows why
 *     timer ────────┴▶ peek ─▶ live: `expiring` when the end is near
 *                              gone, rotated: `ended`, and the stream closes
 *                              unknown: nothing. What Redis cannot say is no end
 *
 * A look is no use of the session: an open page does not keep it alive.
 */
import type { ServerResponse } from "node:http";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Session, SessionEvent, Standing } from "latchkey";
import { EventStream } from "./event-stream.ts";

/** Half of what is promised for `ended`; the other half is for the push and the question after it. */
export const LOOK_MS = 500;
/** The same where each look asks Redis: 1,000 streams are 200 commands a second. */
export const ASK_MS = 5_000;
/** Below the 60 s after which nginx and others close a connection that says nothing. */
export const BEAT_MS = 15_000;
/** Time enough to save one's work, or to click "stay logged in". */
export const EXPIRING_MS = 60_000;
/** As many tabs as a person has; a browser opens 6 connections to a host over HTTP/1.1 anyway. */
export const STREAMS_PER_SESSION_MAX = 10;
/**
 * Half of what a near cache keeps by default, so that streams leave room for everybody else. So many
 * take some 100 MB and 6 % of a core (measured with 2,000: 14 to 23 kB, 25 ms in a second).
 */
export const STREAMS_MAX = 5_000;
/** Looks at once, some 2 ms. If Redis is frozen they take 250 ms, and the others wait for them. */
const LOOKS_ABREAST = 256;
/** Streams opened together, as after a restart, get their beats in so many groups. */
const BEAT_GROUPS = BEAT_MS / LOOK_MS;

/**
 * Why a stream was told that its session ended. `revoked`: by somebody else; known only to the server
 * that did it. `rotated`: the holder has another token now. `ended`: by a logout, or nobody knows.
 */
export type EndReason = "expired" | "revoked" | "rotated" | "ended";

/** What a stream needs of the session that opened it. */
export type LiveSession = Pick<Session, "sid" | "user" | "peek">;

export type FollowOutcome = "following" | "too-many-of-session" | "too-many" | "closed";

export interface LiveOptions {
  /** Monotonic ms. Default: the process's. */
  readonly now?: () => number;
  /** Streams open at once. Default `STREAMS_MAX`. */
  readonly maxStreams?: number;
}

interface Follower {
  readonly session: LiveSession;
  readonly sid: string;
  readonly stream: EventStream;
  /** Monotonic ms, as all instants here. */
  lookAt: number;
  beatAt: number;
  /** When the session ends, as far as the last look knew. */
  endsAt: number;
  isWarned: boolean;
  /** A near cache knew the session after the last look. */
  wasRemembered: boolean;
}

export class LiveSessions {
  readonly #followers = new Map<string, Set<Follower>>();
  readonly #now: () => number;
  readonly #maxStreams: number;
  #count = 0;
  #opened = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor({ now = () => performance.now(), maxStreams = STREAMS_MAX }: LiveOptions = {}) {
    this.#now = now;
    this.#maxStreams = maxStreams;
  }

  /** Streams that are open. */
  get count(): number {
    return this.#count;
  }

  /** Begins a stream on this response. If it is one too many, the response is left as it was. */
  follow(session: LiveSession, res: ServerResponse): FollowOutcome {
    const { sid } = session;
    if (this.#isClosed || sid === undefined) return "closed";
    const others = this.#followers.get(sid) ?? new Set();
    if (others.size >= STREAMS_PER_SESSION_MAX) return "too-many-of-session";
    if (this.#count >= this.#maxStreams) return "too-many";
    const now = this.#now();
    const group = this.#opened++ % BEAT_GROUPS;
    const follower: Follower = {
      ...{ session, sid, stream: new EventStream(res) },
      ...{ lookAt: now, beatAt: now + BEAT_MS - group * LOOK_MS },
      ...{ endsAt: Number.POSITIVE_INFINITY, isWarned: false, wasRemembered: true },
    };
    this.#followers.set(sid, others.add(follower));
    this.#count++;
    follower.stream.onClose(() => this.#forget(follower));
    this.#schedule();
    return "following";
  }

  /** What this server does to a session is not waited for: the listener of `createSessions`. */
  hear(event: SessionEvent): void {
    if (event.type === "rotated") this.#lookNow(this.#followers.get(event.from), "ended");
    if (event.type === "user-revoked") {
      const all = [...this.#followers.values()].flatMap((followers) => [...followers]);
      this.#lookNow(
        all.filter(({ session }) => session.user === event.user),
        "revoked",
      );
    }
    if (event.type === "revoked") {
      const byHolder = event.reason === "logout" || event.reason === "login";
      this.#lookNow(this.#followers.get(event.sid), byHolder ? "ended" : "revoked");
    }
  }

  /** Closes all streams and begins no more. Their sessions go on, and their clients come back. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const followers of this.#followers.values()) {
      for (const { stream } of followers) stream.close();
    }
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#count === 0 || this.#isClosed) return;
    this.#timer = setTimeout(async () => {
      await this.#round();
      this.#timer = undefined;
      this.#schedule();
    }, LOOK_MS);
  }

  async #round(): Promise<void> {
    const now = this.#now();
    const due: Follower[] = [];
    for (const followers of this.#followers.values()) {
      for (const follower of followers) {
        if (follower.beatAt <= now) {
          follower.beatAt = now + BEAT_MS;
          follower.stream.beat();
        }
        if (follower.lookAt <= now) due.push(follower);
      }
    }
    for (let i = 0; i < due.length; i += LOOKS_ABREAST) {
      await Promise.all(due.slice(i, i + LOOKS_ABREAST).map((follower) => this.#look(follower)));
      // What is answered from memory never waits: all of it in one go would hold up every request.
      await nextTurn();
    }
  }

  #lookNow(followers: Iterable<Follower> | undefined, ifGone: EndReason): void {
    // Never rejects: `peek` does not.
    for (const follower of followers ?? []) void this.#look(follower, ifGone);
  }

  async #look(follower: Follower, ifGone: EndReason = "ended"): Promise<void> {
    const standing = await follower.session.peek();
    // Another look, or the client, may have ended it meanwhile.
    if (!this.#isOpen(follower)) return;
    const now = this.#now();
    switch (standing.status) {
      case "live":
        return this.#live(follower, standing, now);
      case "rotated":
        return this.#end(follower, "rotated");
      case "gone":
        return this.#end(follower, reasonOf(follower, ifGone, now));
      case "unknown":
        follower.lookAt = now + ASK_MS;
    }
  }

  #live(
    follower: Follower,
    { expiresAt, remainingMs, isRemembered }: Extract<Standing, { status: "live" }>,
    now: number,
  ): void {
    follower.endsAt = now + remainingMs;
    // Used since, it has got more time: then it will expire another time, too.
    const isExpiring = remainingMs <= EXPIRING_MS;
    if (isExpiring && !follower.isWarned) {
      follower.stream.send("expiring", { expiresAt: new Date(expiresAt).toISOString() });
    }
    follower.isWarned = isExpiring;
    // Once, a change may have come between. Twice in a row, nothing remembers: each look is a command.
    const isForgotten = !isRemembered && !follower.wasRemembered;
    follower.wasRemembered = isRemembered;
    follower.lookAt = isForgotten ? Math.min(now + ASK_MS, follower.endsAt) : now;
  }

  #end(follower: Follower, reason: EndReason): void {
    follower.stream.send("ended", { reason });
    follower.stream.close();
    this.#forget(follower);
  }

  #isOpen(follower: Follower): boolean {
    return this.#followers.get(follower.sid)?.has(follower) ?? false;
  }

  #forget(follower: Follower): void {
    const followers = this.#followers.get(follower.sid);
    if (!followers?.delete(follower)) return;
    this.#count--;
    if (followers.size === 0) this.#followers.delete(follower.sid);
  }
}

/** Our clock and that of the store differ by a round trip, which is less than the time of a look. */
function reasonOf({ endsAt }: Follower, ifGone: EndReason, now: number): EndReason {
  return ifGone === "ended" && now >= endsAt - LOOK_MS ? "expired" : ifGone;
}
