/**
 * A Redis Cluster: one connection to each primary, and who serves which slot. A shard that is away
 * takes only its own slots along. The clients' own Cluster modes are not used for URLs: node-redis
 * looks for a new primary every 5 s, and waits 10 s for one that hangs; ioredis sends a command again
 * whose reply was lost.
 */
import { isSessionError } from "../core/errors.ts";
import { answerOf, explained } from "./answers.ts";
import { answered, every, idle, type Library, pause, type Topology } from "./driver.ts";
import type { Endpoint, Moved, Primary, Sent, TracedLink } from "./link.ts";
import { type Access, askOnce, RedisNode } from "./node.ts";
import { SLOT_COUNT, slotOf } from "./slots.ts";

/** Between two looks at the map while not every slot is served. */
const LOOK_MS = 250;
/** Between two looks at it for a near cache, which is told nothing by those who serve its slots no more. */
const TRACED_LOOK_MS = 500;
/** A command that is sent from node to node more often will not arrive. */
const REDIRECTS_MAX = 5;

export class ClusterLink implements TracedLink {
  readonly library: Library;
  readonly topology: Topology = "cluster";
  readonly #access: Access;
  readonly #seeds: readonly Endpoint[];
  readonly #onChange: () => void;
  /** By "host:port". */
  readonly #nodes = new Map<string, RedisNode>();
  /** Slot → "host:port". */
  #owners: (string | undefined)[] = [];
  #mapProblem: Error | undefined = new Error("the slots are not known yet");
  #isLooking = false;
  #isClosed = false;
  readonly #movers = new Set<Moved>();
  #stopLooking: (() => void) | undefined;
  #turn = 0;

  /** Begins to connect. */
  constructor(access: Access, seeds: readonly Endpoint[], onChange: () => void) {
    this.library = access.dialler.library;
    this.#access = access;
    this.#seeds = seeds;
    this.#onChange = onChange;
    void this.#look();
  }

  send(key: string, args: readonly string[], isWanted: () => boolean): Sent | undefined {
    const address = this.#addressOf(key);
    const sent = this.#nodes.get(address)?.send(key, args);
    if (sent === undefined) return undefined;
    const command = { key, args, isWanted };
    const trip = { address, sent };
    return { reply: this.#following(command, trip), abandon: () => trip.sent.abandon() };
  }

  problem(): Error | undefined {
    const problems = [...this.#nodes.values()].map((node) => node.problem());
    return this.#mapProblem ?? problems.find((problem) => problem !== undefined);
  }

  /** Whether some of it can be used. */
  get isPartlyUp(): boolean {
    return [...this.#nodes.values()].some((node) => node.problem() === undefined);
  }

  primaries(): readonly Primary[] {
    const found = new Map<string, [number, number][]>();
    this.#owners.forEach((address, slot) => {
      if (address === undefined) return;
      const ranges = found.get(address) ?? [];
      const last = ranges.at(-1);
      if (last !== undefined && last[1] === slot - 1) last[1] = slot;
      else ranges.push([slot, slot]);
      found.set(address, ranges);
    });
    return [...found].map(([address, slots]) => ({ endpoint: endpointOf(address), slots }));
  }

  onMove(listener: Moved): () => void {
    this.#movers.add(listener);
    this.#stopLooking ??= every(TRACED_LOOK_MS, () => void this.#lookAgain());
    return () => this.#movers.delete(listener);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopLooking?.();
    await Promise.all([...this.#nodes.values()].map((node) => node.close()));
  }

  #addressOf(key: string): string {
    if (key !== "") return this.#owners[slotOf(key)] ?? "";
    const up = [...this.#nodes].find(([, node]) => node.problem() === undefined);
    return up?.[0] ?? "";
  }

  /** Goes wherever the Cluster says: a node that redirects has done nothing. */
  async #following(command: Command, trip: Trip): Promise<unknown> {
    for (let redirects = 0; ; redirects++) {
      try {
        return await trip.sent.reply;
      } catch (error) {
        const { word } = answerOf(error) ?? {};
        if (word === "MOVED" || word === "CLUSTERDOWN" || word === "READONLY") void this.#look();
        const to = redirects < REDIRECTS_MAX ? redirectOf(error, trip.address) : undefined;
        if (to === undefined) throw error;
        this.#tellMoved(slotOf(command.key));
        if (word === "MOVED") this.#owners[slotOf(command.key)] = addressOf(to);
        trip.address = addressOf(to);
        trip.sent = await this.#sendTo(to, command, word === "ASK");
      }
    }
  }

  async #sendTo(endpoint: Endpoint, command: Command, isAsking: boolean): Promise<Sent> {
    const { args, isWanted } = command;
    const node = this.#nodeAt(endpoint);
    // The one that a slot has begun to move to may be new to us.
    while (node.problem() !== undefined && isWanted()) await pause(1);
    const sent = isWanted() ? node.sendAll(isAsking ? [["ASKING"], args] : [args]) : undefined;
    if (sent === undefined) throw new Error(`${addressOf(endpoint)} serves the slot and is away`);
    return sent;
  }

  #nodeAt(endpoint: Endpoint): RedisNode {
    const address = addressOf(endpoint);
    const known = this.#nodes.get(address);
    if (known !== undefined) return known;
    const node = new RedisNode({
      locate: async () => endpoint,
      ...{ access: this.#access, topology: "cluster", isProbed: true },
      onChange: () => {
        this.#onChange();
        if (node.problem() !== undefined) void this.#look();
      },
    });
    this.#nodes.set(address, node);
    return node;
  }

  /** Looks who serves what, until every slot is served by a node that is connected. */
  async #look(): Promise<void> {
    if (this.#isLooking || this.#isClosed) return;
    this.#isLooking = true;
    do {
      try {
        const owners = await this.#ask();
        // Closed meanwhile: nobody would close what is opened now.
        if (this.#isClosed) break;
        this.#use(owners);
      } catch (error) {
        this.#mapProblem = problemOf(error);
      }
      this.#onChange();
      await idle(LOOK_MS);
    } while (!this.#isClosed && this.problem() !== undefined);
    this.#isLooking = false;
  }

  #tellMoved(slot?: number): void {
    for (const moved of this.#movers) moved(slot);
  }

  /** Each time at another node: one that is cut off from the rest would not know of a change. */
  async #lookAgain(): Promise<void> {
    const up = [...this.#nodes].filter(([, node]) => node.problem() === undefined);
    const [address, node] = up[this.#turn++ % up.length] ?? [];
    const sent = node?.send("", ["CLUSTER", "SLOTS"]);
    if (address === undefined || sent === undefined) return;
    try {
      const reply = await answered(sent.reply, TRACED_LOOK_MS);
      if (!this.#isClosed) this.#use(parseSlots(reply, endpointOf(address)));
    } catch {
      // A node that does not answer is noticed by its own beat.
    }
  }

  /** The first answer of any: a node that hangs keeps nobody waiting. */
  async #ask(): Promise<(string | undefined)[]> {
    const addresses = new Set([...this.#nodes.keys(), ...this.#seeds.map(addressOf)]);
    const asked = [...addresses].map(endpointOf).map(async (endpoint) => {
      return parseSlots(await askOnce(this.#access, endpoint, ["CLUSTER", "SLOTS"]), endpoint);
    });
    return Promise.any(asked);
  }

  #use(owners: (string | undefined)[]): void {
    const isAnother = owners.some((address, slot) => address !== this.#owners[slot]);
    this.#owners = owners;
    if (isAnother) this.#tellMoved();
    const addresses = new Set(owners);
    for (const [address, node] of this.#nodes) {
      if (addresses.has(address)) continue;
      this.#nodes.delete(address);
      void node.close();
    }
    for (const address of addresses) if (address !== undefined) this.#nodeAt(endpointOf(address));
    this.#mapProblem = addresses.has(undefined)
      ? new Error("some slots are not served")
      : undefined;
  }
}

interface Command {
  readonly key: string;
  readonly args: readonly string[];
  readonly isWanted: () => boolean;
}

/** Where a command is at the moment. */
interface Trip {
  address: string;
  sent: Sent;
}

function addressOf({ host, port }: Endpoint): string {
  return `${host}:${port}`;
}

function endpointOf(address: string): Endpoint {
  const colon = address.lastIndexOf(":");
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}

/** `MOVED 3999 host:port`; no host means the one that said so. */
function redirectOf(error: unknown, from: string): Endpoint | undefined {
  const text = error instanceof Error ? error.message : "";
  const [, address] = /^(?:MOVED|ASK) \d+ (\S*:\d+)$/.exec(text) ?? [];
  if (address === undefined) return undefined;
  const { host, port } = endpointOf(address);
  return { host: host === "" ? endpointOf(from).host : host, port };
}

/** The reply of CLUSTER SLOTS: `[first, last, [host, port, …] of the primary, …replicas]`, …. */
function parseSlots(reply: unknown, from: Endpoint): (string | undefined)[] {
  // It may be our own question, come back from what is no Redis.
  if (!Array.isArray(reply) || !reply.every(Array.isArray)) {
    throw new Error("what answers there tells no slots");
  }
  const owners = new Array<string | undefined>(SLOT_COUNT).fill(undefined);
  for (const range of reply) {
    const [first, last, primary] = range;
    const [host, port] = Array.isArray(primary) ? primary : [];
    const address = addressOf({ host: host ? String(host) : from.host, port: Number(port) });
    owners.fill(address, Number(first), Number(last) + 1);
  }
  return owners;
}

function problemOf(error: unknown): Error {
  const [first] = error instanceof AggregateError ? error.errors : [error];
  const cause = isSessionError(first) ? (first.cause ?? first) : first;
  const text = cause instanceof Error ? cause.message : String(cause);
  if (/cluster support disabled/.test(text)) {
    return new Error("the server is no Cluster: redis://host:port is its URL", { cause });
  }
  return new Error(explained(cause), { cause });
}
