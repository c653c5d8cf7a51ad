/**
 * One connection to one primary that hears which keys change: `CLIENT TRACKING ON BCAST`.
 *
 * A connection of its own, because a client library hides or drops these pushes (ioredis), or keeps
 * what it should forget (node-redis' client-side cache after a FLUSHALL), and because broadcast needs
 * no memory in Redis and does not care how or by whom the keys were read.
 *
 * The lease. A dead peer that says nothing looks just like a quiet one. So we ask, and the answer
 * proves that everything Redis had pushed before it has arrived: one connection is in order. It proves
 * that for the moment at which the question was *sent*, not for the one at which the answer came. The link
 * is live until `leaseMs` after that moment.
 */
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { monotonicMs } from "../../core/clock.ts";
import { every, later } from "../driver.ts";
import type { Endpoint } from "../link.ts";
import { encodeCommand, type Reply, Resp3Decoder, RespError } from "./resp3.ts";

/** How to be let in, the same at every server. */
export interface Credentials {
  readonly tls: boolean;
  /** "": the user `default`. */
  readonly username: string;
  /** "": none is needed. */
  readonly password: string;
}

export interface TrackingOptions {
  readonly endpoint: Endpoint;
  readonly credentials: Credentials;
  /** Key prefixes to hear of; none may begin another. */
  readonly prefixes: readonly string[];
  readonly leaseMs: number;
  onKey(key: string): void;
  /** Anything may have changed unheard; called before the link is live again. */
  onVoid(reason: VoidReason): void;
}

export type VoidReason = "connected" | "lost" | "flushed" | "unreadable" | "demoted" | "silent";

/** Four in a lease: one may be late without harm. */
const BEATS_PER_LEASE = 4;
const RETRY_MIN_MS = 25;
const RETRY_MAX_MS = 1_000;

export class TrackingLink {
  readonly #options: TrackingOptions;
  readonly #stop: () => void;
  #socket: Socket | undefined;
  /** What the next replies answer, the oldest first. */
  #waiting: ((reply: Reply) => void)[] = [];
  /** When the questions were sent that are not answered yet. */
  #beats: number[] = [];
  #isArmed = false;
  /** When the newest answered heartbeat was sent. */
  #provenAt = Number.NEGATIVE_INFINITY;
  #heartbeatMs: number | undefined;
  #stopRetry: () => void = () => {};
  #retryMs = RETRY_MIN_MS;
  #isClosed = false;
  #problem: string | undefined = "not connected yet";

  constructor(options: TrackingOptions) {
    this.#options = options;
    this.#stop = every(options.leaseMs / BEATS_PER_LEASE, () => this.#beat());
    this.#connect();
  }

  get heartbeatMs(): number | undefined {
    return this.#heartbeatMs;
  }

  /** Why it hears nothing; undefined: it hears. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** @param now monotonic ms */
  isLive(now: number): boolean {
    return now - this.#provenAt < this.#options.leaseMs;
  }

  close(): void {
    this.#isClosed = true;
    this.#stop();
    this.#stopRetry();
    this.#drop();
  }

  #connect(): void {
    const { endpoint, credentials } = this.#options;
    const { host } = endpoint;
    const socket = credentials.tls
      ? connectTls({ ...endpoint, ...(isIP(host) === 0 ? { servername: host } : {}) })
      : connectTcp(endpoint);
    this.#socket = socket;
    socket.unref();
    socket.setNoDelay(true);
    const decoder = new Resp3Decoder({
      onReply: (reply) => this.#waiting.shift()?.(reply),
      onPush: (push) => this.#pushed(push),
    });
    socket.on("data", (chunk) => {
      if (socket !== this.#socket) return;
      try {
        decoder.push(chunk);
      } catch {
        this.#lose("unreadable");
      }
    });
    socket.on("error", (error) => {
      this.#problem = error.message;
    });
    socket.on("close", () => {
      if (socket === this.#socket) this.#lose("lost");
    });
    this.#arm();
  }

  /** All at once, in one packet: the answers come in order. */
  #arm(): void {
    const { credentials, prefixes } = this.#options;
    const { username, password } = credentials;
    const auth = password === "" ? [] : ["AUTH", username === "" ? "default" : username, password];
    this.#send(["HELLO", "3", ...auth], (reply) => {
      if (reply instanceof RespError) return this.#refused(reply);
      const role = Array.isArray(reply) ? reply[reply.indexOf("role") + 1] : undefined;
      if (role !== "master") this.#lose("demoted");
    });
    const tracked = prefixes.flatMap((prefix) => ["PREFIX", prefix]);
    this.#beats = [monotonicMs()];
    this.#send(["CLIENT", "TRACKING", "ON", "BCAST", ...tracked], (reply) => {
      if (reply instanceof RespError) return this.#refused(reply);
      // From here on nothing is missed; what was read before may be old.
      this.#isArmed = true;
      this.#problem = undefined;
      this.#retryMs = RETRY_MIN_MS;
      this.#options.onVoid("connected");
      this.#answered();
    });
  }

  #refused(error: RespError): void {
    this.#lose("lost");
    this.#problem = error.message;
  }

  #beat(): void {
    const now = monotonicMs();
    const [oldest] = this.#beats;
    if (oldest !== undefined && now - oldest > this.#options.leaseMs) {
      this.#lose("silent");
      return;
    }
    if (!this.#isArmed) return;
    this.#beats.push(now);
    // ROLE instead of PING: a primary that was demoted goes on answering PING, and hears of changes
    // only as fast as its replication is.
    this.#send(["ROLE"], (reply) => {
      if (!Array.isArray(reply) || reply[0] !== "master") return this.#lose("demoted");
      this.#answered();
    });
  }

  #answered(): void {
    const sentAt = this.#beats.shift();
    if (sentAt === undefined) return;
    this.#provenAt = sentAt;
    this.#heartbeatMs = monotonicMs() - sentAt;
  }

  #pushed([kind, keys]: readonly Reply[]): void {
    if (kind !== "invalidate") return;
    if (keys === null) this.#options.onVoid("flushed");
    else if (Array.isArray(keys)) for (const key of keys) this.#options.onKey(String(key));
    else this.#lose("unreadable");
  }

  #send(command: readonly string[], onReply: (reply: Reply) => void): void {
    this.#waiting.push(onReply);
    this.#socket?.write(encodeCommand(command));
  }

  /** Nothing is known any more; a new connection is tried a little later. */
  #lose(reason: VoidReason): void {
    if (this.#socket === undefined) return;
    const wasArmed = this.#isArmed;
    this.#problem ??= reason;
    this.#drop();
    if (this.#isClosed) return;
    this.#stopRetry = later(this.#retryMs, () => this.#connect());
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MAX_MS);
    if (wasArmed) this.#options.onVoid(reason);
  }

  #drop(): void {
    this.#isArmed = false;
    this.#provenAt = Number.NEGATIVE_INFINITY;
    this.#waiting = [];
    this.#beats = [];
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
  }
}
