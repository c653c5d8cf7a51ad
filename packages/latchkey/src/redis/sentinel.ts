/**
 * The primary that Sentinels watch over. The clients' own Sentinel modes are not used for URLs:
 * node-redis sends a write again whose reply was lost, and ioredis went back to an old primary that
 * had been frozen, and wrote to it for ten seconds.
 */
import { answered } from "./driver.ts";
import type { Endpoint, Link, Moved, Primary, Sent, TracedLink } from "./link.ts";
import { type Access, RedisNode } from "./node.ts";

/** Longest wait for a Sentinel while others have answered. */
const ANSWER_LIMIT_MS = 250;

export class SentinelLink implements TracedLink {
  readonly library: Link["library"];
  readonly topology = "sentinel";
  readonly #sentinels: readonly RedisNode[];
  readonly #primary: RedisNode;
  readonly #master: string;

  /** Begins to connect. */
  constructor(
    access: Access,
    { endpoints, master }: { readonly endpoints: readonly Endpoint[]; readonly master: string },
    onChange: () => void,
  ) {
    this.library = access.dialler.library;
    this.#master = master;
    // Sentinels have users of their own; ours is one of the primary.
    const plain = { ...access, username: "", password: "", database: 0 };
    this.#sentinels = endpoints.map(
      (endpoint) =>
        new RedisNode({
          ...{ access: plain, topology: "sentinel", isProbed: false, onChange: () => {} },
          locate: async () => endpoint,
        }),
    );
    this.#primary = new RedisNode({
      ...{ access, topology: "sentinel", isProbed: true, onChange },
      locate: () => this.#locate(),
    });
  }

  send(key: string, args: readonly string[]): Sent | undefined {
    return this.#primary.send(key, args);
  }

  problem(): Error | undefined {
    return this.#primary.problem();
  }

  primaries(): readonly Primary[] {
    return this.#primary.primaries();
  }

  onMove(listener: Moved): () => void {
    return this.#primary.onMove(listener);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#sentinels, this.#primary].map((node) => node.close()));
  }

  /** Where most of the Sentinels that answer see it: one that is cut off knows of no failover. */
  async #locate(): Promise<Endpoint> {
    const answers = await Promise.all(this.#sentinels.map((sentinel) => this.#ask(sentinel)));
    const votes = new Map<string, number>();
    for (const answer of answers) {
      if (answer !== undefined) votes.set(answer, (votes.get(answer) ?? 0) + 1);
    }
    const [[address] = []] = [...votes].sort(([, a], [, b]) => b - a);
    if (address === undefined) throw new Error(this.#whyNot());
    const [host = "", port] = address.split(" ");
    return { host, port: Number(port) };
  }

  async #ask(sentinel: RedisNode): Promise<string | undefined> {
    const sent = sentinel.send("", ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", this.#master]);
    if (sent === undefined) return undefined;
    try {
      const reply = await answered(sent.reply, ANSWER_LIMIT_MS);
      if (reply === null) return undefined;
      const [host, port, ...rest] = Array.isArray(reply) ? reply : [];
      // Our own question comes back if what is there is no Sentinel: it must get no vote.
      if (rest.length > 0 || !(Number(port) > 0)) throw new Error("no address of a primary");
      return `${host} ${port}`;
    } catch {
      sent.abandon();
      return undefined;
    }
  }

  #whyNot(): string {
    const problems = this.#sentinels.map((sentinel) => sentinel.problem());
    return problems.includes(undefined)
      ? `no Sentinel knows a primary named ${this.#master}`
      : `no Sentinel answers: ${problems[0]?.message}`;
  }
}
