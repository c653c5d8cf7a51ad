/**
 * The port through which a near cache hears what has changed in its store. These comments are its
 * contract.
 *
 * A store has *parts*, each with a source of its own, such as the hash slots of Redis. What the cache
 * read from a part may be answered again as long as the part is live and its epoch is the same:
 *
 * - Every change of a session reaches `onChange`, or moves the epoch of its part. If changes may have
 *   been missed (a lost connection, another primary, a reply that cannot be read), the epoch moves.
 * - `isLive` says that nothing that was changed longer than `leaseMs` ago is still to come: a source
 *   that went silent without a word is live no longer than that.
 * - Expiry is not reported in time (Redis deletes what ran out when it comes across it, minutes late
 *   among many keys): a deadline is the cache's own to check.
 */
import type { SessionStore } from "./store.ts";
import type { SessionId } from "./token.ts";

/** A store that tells what changes in it, whoever changes it. */
export interface ObservableStore extends SessionStore {
  /** A new one each time; undefined: it cannot tell, being connected as it is. */
  feed(): InvalidationFeed | undefined;
}

export interface InvalidationFeed {
  /** Begins to listen. `onChange`: this session may have changed. Called once. */
  listen(onChange: (sid: SessionId) => void): void;
  /** The part that a session lives in: a whole number, the same for ever. */
  partOf(sid: SessionId): number;
  /** Never falls. Another value: anything in this part may have changed. */
  epochOf(part: number): number;
  /** @param now monotonic ms */
  isLive(part: number, now: number): boolean;
  /** What the feed has seen, for metrics. */
  stats(): FeedStats;
  close(): void;
}

export interface FeedStats {
  /** Sources that are live, and all there are: one for each primary. */
  readonly live: number;
  readonly sources: number;
  /** How often everything of a source was forgotten, by reason. */
  readonly voided: Readonly<Record<string, number>>;
  /** Keys that were reported as changed. */
  readonly invalidations: number;
  /** From sending the newest answered heartbeat to its answer, the worst of all sources. */
  readonly heartbeatMs: number | undefined;
  /** Why a source is not live, as its server or connection said it; undefined: all is well. */
  readonly problem: string | undefined;
}
