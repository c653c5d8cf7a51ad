/**
 * The feed of a Redis store: keys that change → sessions that may have changed.
 *
 * The parts of the store are its hash slots. For each primary that the store reads from there is one
 * tracking connection, to that very server: what another one would tell says nothing of what we read.
 * A change of a slot's barrier, which may end any session in it, moves the epoch of the slot; whatever
 * befalls a connection moves the epoch of all slots that it stands for; and so does a read that goes
 * elsewhere, for a slot on its way from one primary to another.
 */
import { monotonicMs } from "../../core/clock.ts";
import type { FeedStats, InvalidationFeed } from "../../core/feed.ts";
import { parseSessionId, type SessionId, SID_LENGTH } from "../../core/token.ts";
import type { Endpoint, TracedLink } from "../link.ts";
import { SLOT_COUNT, slotOf } from "../slots.ts";
import { type Credentials, TrackingLink, type VoidReason } from "./tracking-link.ts";

/** So long after the newest proof that nothing was missed is the memory of a cache still good. */
export const LEASE_MS = 1_000;
/** In place of the number of a shard, for a slot that nobody serves. */
const NOBODY = 0xffff;

interface Shard {
  readonly name: string;
  readonly link: TrackingLink;
}

/** @param prefix of session keys */
export function redisFeed(
  link: TracedLink,
  credentials: Credentials,
  prefix: string,
): InvalidationFeed {
  return new RedisFeed(link, credentials, prefix);
}

class RedisFeed implements InvalidationFeed {
  readonly #link: TracedLink;
  readonly #credentials: Credentials;
  readonly #prefix: string;
  readonly #epochs = new Float64Array(SLOT_COUNT);
  readonly #shardOf = new Uint16Array(SLOT_COUNT).fill(NOBODY);
  readonly #voided = new Map<string, number>();
  #shards: readonly Shard[] = [];
  /** The map of slots that `#shards` stand for. */
  #map = "";
  #onChange: (sid: SessionId) => void = () => {};
  #invalidations = 0;
  #isClosed = false;
  #unlisten: () => void = () => {};

  constructor(link: TracedLink, credentials: Credentials, prefix: string) {
    this.#link = link;
    this.#credentials = credentials;
    this.#prefix = prefix;
  }

  listen(onChange: (sid: SessionId) => void): void {
    this.#onChange = onChange;
    this.#unlisten = this.#link.onMove((slot) => {
      if (slot === undefined) this.#follow();
      else this.#bump(slot);
    });
    this.#follow();
  }

  partOf(sid: SessionId): number {
    return slotOf(this.#prefix + sid);
  }

  epochOf(part: number): number {
    return this.#epochs[part] ?? 0;
  }

  isLive(part: number, now: number): boolean {
    return this.#shards[this.#shardOf[part] ?? NOBODY]?.link.isLive(now) ?? false;
  }

  stats(): FeedStats {
    const now = monotonicMs();
    const beats = this.#shards.flatMap(({ link }) => link.heartbeatMs ?? []);
    return {
      live: this.#shards.filter(({ link }) => link.isLive(now)).length,
      sources: this.#shards.length,
      voided: Object.fromEntries(this.#voided),
      invalidations: this.#invalidations,
      heartbeatMs: beats.length === 0 ? undefined : Math.max(...beats),
      problem: this.#shards.find(({ link }) => link.problem !== undefined)?.link.problem,
    };
  }

  close(): void {
    this.#isClosed = true;
    this.#unlisten();
    this.#shardOf.fill(NOBODY);
    for (const { link } of this.#shards) link.close();
    this.#shards = [];
  }

  /** Listens where the store reads. Connections that are still of use are kept. */
  #follow(): void {
    const primaries = this.#link.primaries();
    const map = JSON.stringify(primaries);
    if (this.#isClosed || map === this.#map) return;
    this.#map = map;
    const before = new Map(this.#shards.map((shard) => [shard.name, shard]));
    this.#shardOf.fill(NOBODY);
    this.#shards = primaries.map(({ endpoint, slots }, index) => {
      for (const [first, last] of slots) this.#shardOf.fill(index, first, last + 1);
      const name = `${endpoint.host}:${endpoint.port}`;
      const kept = before.get(name);
      before.delete(name);
      return kept ?? { name, link: this.#listenAt(name, endpoint) };
    });
    for (const { link } of before.values()) link.close();
    this.#void("topology");
  }

  #listenAt(name: string, endpoint: Endpoint): TrackingLink {
    return new TrackingLink({
      ...{ endpoint, credentials: this.#credentials, leaseMs: LEASE_MS },
      // Beside a session's key stand its record, what it became, and the barrier of a slot.
      prefixes: [this.#prefix, `{${this.#prefix}`],
      onKey: (key) => this.#changed(key),
      onVoid: (reason) => this.#void(reason, name),
    });
  }

  #changed(key: string): void {
    this.#invalidations++;
    if (key.endsWith("}:barrier")) {
      this.#bump(slotOf(key));
      return;
    }
    const from = key.startsWith("{") ? this.#prefix.length + 1 : this.#prefix.length;
    const sid = parseSessionId(key.slice(from, from + SID_LENGTH));
    if (sid !== undefined) this.#onChange(sid);
  }

  /** Anything may have changed in the slots of one primary, or of all. */
  #void(reason: VoidReason | "topology", name?: string): void {
    this.#voided.set(reason, (this.#voided.get(reason) ?? 0) + 1);
    const shard = this.#shards.findIndex((one) => one.name === name);
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      if (name === undefined || this.#shardOf[slot] === shard) this.#bump(slot);
    }
  }

  #bump(slot: number): void {
    this.#epochs[slot] = this.epochOf(slot) + 1;
  }
}
