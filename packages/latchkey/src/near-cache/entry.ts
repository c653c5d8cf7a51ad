/**
 * What is kept of a session, and at the same time the record that a hit gives: nothing is made for a
 * hit. Without the hash of the secret: that the token opens it was seen when the entry was made.
 *
 * Spans of ms instead of instants: V8 keeps small whole numbers in the object itself, and each larger
 * one in 16 bytes beside it. Private, so that whoever prints a record does not print the token.
 */
import type { Fields, PreviousToken, SessionRecord } from "../core/record.ts";
import { type SessionId, SID_LENGTH } from "../core/token.ts";

/** One for all entries of a cache. */
export interface CacheClock {
  /** Monotonic ms. */
  readonly now: () => number;
  readonly began: number;
  /** When something was last recalled: reading a clock costs as much as finding an entry. */
  recalledAt: number;
  /** Some instant by the store's clock, from which ends of sessions are counted. */
  readonly since: number;
}

/** Where an entry belongs, and until when it holds. */
export interface Place {
  readonly clock: CacheClock;
  /** Whole ms since the cache began. */
  readonly deadline: number;
  readonly part: number;
  readonly epoch: number;
}

const NO_DATA: Fields = new Map();

/** First what a hit looks at: that lies side by side, and little else of the processor's caches is used. */
export class Entry implements SessionRecord {
  readonly user: string | undefined;
  readonly deadline: number;
  readonly part: number;
  readonly epoch: number;
  wasUsed = false;
  readonly #clock: CacheClock;
  readonly #sinceSeen: number | undefined;
  readonly #expires: number;
  readonly data: Fields;
  readonly version: number;
  readonly device: string | undefined;
  readonly #token: string;
  /** From these instants to `expiresAt`; undefined where the store keeps none. */
  readonly #sinceCreated: number | undefined;
  readonly #sinceAuth: number | undefined;
  readonly #untilAbsolute: number | undefined;

  constructor(token: string, record: SessionRecord, { clock, deadline, part, epoch }: Place) {
    const { expiresAt, absoluteExpiresAt } = record;
    const before = (at: number | undefined): number | undefined =>
      at === undefined ? undefined : expiresAt - at;
    this.user = record.user;
    this.deadline = deadline;
    this.part = part;
    this.epoch = epoch;
    this.#clock = clock;
    this.#sinceSeen = before(record.lastSeenAt);
    this.#expires = expiresAt - clock.since;
    this.data = record.data.size === 0 ? NO_DATA : record.data;
    this.version = record.version;
    this.device = record.device;
    this.#token = token;
    this.#sinceCreated = before(record.createdAt);
    this.#sinceAuth = before(record.authTime);
    this.#untilAbsolute =
      absoluteExpiresAt === undefined ? undefined : absoluteExpiresAt - expiresAt;
  }

  get sid(): SessionId {
    return this.#token.slice(0, SID_LENGTH) as SessionId;
  }

  get expiresAt(): number {
    return this.#clock.since + this.#expires;
  }

  get remainingMs(): number {
    return Math.floor(this.deadline - (this.#clock.recalledAt - this.#clock.began));
  }

  get createdAt(): number | undefined {
    return this.#instant(this.#sinceCreated);
  }

  get authTime(): number | undefined {
    return this.#instant(this.#sinceAuth);
  }

  get lastSeenAt(): number | undefined {
    return this.#instant(this.#sinceSeen);
  }

  get absoluteExpiresAt(): number | undefined {
    return this.#untilAbsolute === undefined ? undefined : this.expiresAt + this.#untilAbsolute;
  }

  get secretHash(): undefined {
    return undefined;
  }

  get previous(): PreviousToken | undefined {
    return undefined;
  }

  #instant(span: number | undefined): number | undefined {
    return span === undefined ? undefined : this.expiresAt - span;
  }
}
