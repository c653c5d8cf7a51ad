/**
 * A link as a driver that keeps its promises. Measured on both clients, with all their options set
 * hard: under load a frozen server leaves every call of node-redis pending for ever, and its
 * connection "ready"; ioredis gives up on a command in time, and still sends it seconds later. So the
 * limits are ours:
 *
 * - a call answers within its time limit, and sends nothing any more once that is over;
 * - a connection that owes a reply for three limits (750 ms) is destroyed and opened anew;
 * - what cannot be sent at once fails at once: nothing waits for a connection;
 * - a bounded number of calls is in flight;
 * - a script that only reads is sent once more when its connection is lost, a write never;
 * - a reply that names another request is not served, and the stream that it came on is not trusted
 *   any more: every later reply on it may be somebody else's. Twice a second a PING asks for a word of
 *   its own, to find a shift among replies that name the same key.
 */
import { SessionError } from "../core/errors.ts";
import { answerOf } from "./answers.ts";
import { answered, later, type Moving, pause, type RedisDriver, type Script } from "./driver.ts";
import type { Link, Sent } from "./link.ts";

/** More would only wait in Redis' queue: at 30,000 calls a second these are 170 ms. */
export const IN_FLIGHT_MAX = 5_000;
/** A connection that owes a reply for so many time limits is dead, not slow. */
const STUCK_LIMITS = 3;
/** Between two looks, while a driver is in use, at whether replies still belong to their requests. */
const CHECK_MS = 500;
/** Between two tries within one call. */
const RETRY_PAUSE_MS = 10;
const READS = /^#!lua flags=no-writes\n/;

/** @param limitMs the longest wait for one call */
export function guarded(link: Link, limitMs: number, feed?: RedisDriver["feed"]): RedisDriver {
  return new Guard(link, limitMs, feed);
}

class Guard implements RedisDriver {
  readonly library: RedisDriver["library"];
  readonly topology: RedisDriver["topology"];
  readonly feed: RedisDriver["feed"];
  readonly #link: Link;
  readonly #limitMs: number;
  readonly #inFlight = new Set<Sent>();
  #checks = 0;
  #checkedAt = Number.NEGATIVE_INFINITY;

  constructor(link: Link, limitMs: number, feed: RedisDriver["feed"]) {
    this.library = link.library;
    this.topology = link.topology;
    this.feed = feed;
    this.#link = link;
    this.#limitMs = limitMs;
  }

  async command(key: string, args: readonly string[]): Promise<unknown> {
    return this.#within(async (call) => (await call.send(key, args)).value);
  }

  async script(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    moving?: Moving,
  ): Promise<readonly unknown[]> {
    return this.#within(async (call) => {
      for (;;) {
        try {
          return await call.script(script, keys, args);
        } catch (error) {
          if (answerOf(error)?.word !== "TRYAGAIN") throw error;
        }
        if (moving !== undefined) return moving((one, key, rest) => call.script(one, [key], rest));
        await pause(RETRY_PAUSE_MS);
      }
    });
  }

  async close(): Promise<void> {
    await this.#link.close();
  }

  async #within<T>(work: (call: Call) => Promise<T>): Promise<T> {
    const call = new Call((key, args, isWanted) => this.#send(key, args, isWanted));
    try {
      return await answered(work(call), this.#limitMs);
    } finally {
      call.isOver = true;
    }
  }

  #send(key: string, args: readonly string[], isWanted: () => boolean): Sent {
    if (this.#inFlight.size >= IN_FLIGHT_MAX) {
      throw new SessionError("store-unavailable", `more than ${IN_FLIGHT_MAX} calls in flight`);
    }
    const sent = this.#link.send(key, args, isWanted);
    if (sent !== undefined && performance.now() - this.#checkedAt > CHECK_MS) this.#check(key);
    if (sent === undefined) {
      const problem = this.#link.problem() ?? new Error("no connection to this node");
      throw new Offline(problem.message, { cause: problem });
    }
    this.#watch(sent);
    return sent;
  }

  /**
   * Asks for something that nobody else asks for. A stream that is shifted among calls for one and the
   * same key answers each of them in the name of that key, only not now.
   */
  #check(key: string): void {
    this.#checkedAt = performance.now();
    const nonce = `latchkey ${this.#checks++}`;
    const sent = this.#link.send(key, ["PING", nonce], () => true);
    if (sent === undefined) return;
    this.#watch(sent);
    sent.reply.then(
      (reply) => {
        if (reply !== nonce) sent.abandon();
      },
      () => {},
    );
  }

  #watch(sent: Sent): void {
    this.#inFlight.add(sent);
    const done = (): void => {
      stop();
      this.#inFlight.delete(sent);
    };
    const stop = later(STUCK_LIMITS * this.#limitMs, () => {
      done();
      sent.abandon();
    });
    sent.reply.then(done, done);
  }
}

/** Nothing was sent: there is no connection. */
class Offline extends Error {}

type Start = (key: string, args: readonly string[], isWanted: () => boolean) => Sent;

/** What is sent within one time limit. */
class Call {
  isOver = false;
  readonly #start: Start;

  constructor(start: Start) {
    this.#start = start;
  }

  async send(key: string, args: readonly string[]): Promise<{ value: unknown; sent: Sent }> {
    // A write that was given up must not begin now.
    if (this.isOver) throw new SessionError("store-unavailable", "the time limit is over");
    const sent = this.#start(key, args, () => !this.isOver);
    try {
      return { value: await sent.reply, sent };
    } catch (error) {
      if (answerOf(error)?.so === "reconnects") sent.abandon();
      throw error;
    }
  }

  /** A script's own reply. One that only reads survives the loss of a connection. */
  async script(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
  ): Promise<readonly unknown[]> {
    try {
      return await this.#known(script, keys, args);
    } catch (error) {
      const isLost = answerOf(error) === undefined && !(error instanceof Offline);
      if (!isLost || !READS.test(script.lua) || error instanceof SessionError) throw error;
    }
    return this.#whenBack(() => this.#known(script, keys, args));
  }

  async #whenBack<T>(read: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await read();
      } catch (error) {
        if (!(error instanceof Offline)) throw error;
      }
      await pause(RETRY_PAUSE_MS);
    }
  }

  async #known(
    { sha1, lua }: Script,
    keys: readonly string[],
    args: readonly string[],
  ): Promise<readonly unknown[]> {
    const rest = [String(keys.length), ...keys, ...args];
    const key = keys[0] ?? "";
    try {
      return await this.#own(key, ["EVALSHA", sha1, ...rest]);
    } catch (error) {
      // After a restart, a failover or SCRIPT FLUSH; EVAL teaches the server the script again.
      if (answerOf(error)?.word !== "NOSCRIPT") throw error;
      return this.#own(key, ["EVAL", lua, ...rest]);
    }
  }

  async #own(key: string, args: readonly string[]): Promise<readonly unknown[]> {
    const { value, sent } = await this.send(key, args);
    try {
      return ownReply(value, key);
    } catch (error) {
      // Whatever comes after it on this stream is not to be trusted either.
      sent.abandon();
      throw error;
    }
  }
}

/**
 * The reply of a script without its head. A broken byte stream can shift replies from one request to
 * the next, and serving one would be serving somebody else's session. Throws "store-unavailable".
 */
export function ownReply(reply: unknown, key: string): readonly unknown[] {
  if (Array.isArray(reply) && reply[0] === key) return reply.slice(1);
  throw new SessionError("store-unavailable", "the reply belongs to another request");
}
