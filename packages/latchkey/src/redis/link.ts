/**
 * The port between the guard, which promises, and what talks to Redis, which does not: connections of
 * our own to one server (node.ts) or to a Cluster (cluster.ts), or a client that somebody brought.
 *
 * A link never sends anything twice but where the server said that it did not do it (MOVED, ASK), and
 * never later than now: what cannot be written at once is not accepted.
 */
import type { Library, Topology } from "./driver.ts";

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** A server that takes writes, and the hash slots that it serves, as [first, last]. */
export interface Primary {
  readonly endpoint: Endpoint;
  readonly slots: readonly (readonly [number, number])[];
}

/** A command on its way. */
export interface Sent {
  readonly reply: Promise<unknown>;
  /** Destroys the connection that it was sent on, unless that has already gone. */
  abandon(): void;
}

export interface Link {
  readonly library: Library;
  readonly topology: Topology;
  /**
   * Undefined: there is no connection that could take it now, and nothing was sent.
   *
   * @param isWanted whether the caller still waits; where something must come first, such as a
   *   redirect, it is asked again before anything is sent
   */
  send(key: string, args: readonly string[], isWanted: () => boolean): Sent | undefined;
  /** Why not everything can be sent at the moment; undefined: it can. */
  problem(): Error | undefined;
  close(): Promise<void>;
}

export type Moved = (slot?: number) => void;

/** A link that tells where it reads, so that a near cache can listen there. */
export interface TracedLink extends Link {
  /** Who is asked about which slot now; none where nobody is. */
  primaries(): readonly Primary[];
  /**
   * From now on `listener` is called before anything is read from another server than `primaries`
   * said: with the slot where only one command goes elsewhere, without for all that has changed.
   * Until what this returns is called.
   */
  onMove(listener: Moved): () => void;
}
