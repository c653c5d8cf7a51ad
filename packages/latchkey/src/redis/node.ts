/**
 * One Redis server, and the one connection to it at a time. A lost connection is thrown away, client
 * and all, and a new one is made: nothing of the old one is left that could be sent again. (ioredis
 * applied an INCR twice after a reset, and one that it had reported as failed seconds later.)
 *
 * Nobody gets the connection before it has shown in this order that it is ours (AUTH, SELECT) and
 * fit (the probe). Clients send commands right behind their handshake: with a wrong password, and a
 * `default` user that is open, both ran them as `default`, and in database 0 if SELECT failed.
 */
import { monotonicMs } from "../core/clock.ts";
import { isSessionError } from "../core/errors.ts";
import { answerOf, explained } from "./answers.ts";
import { answered, every, idle, type Library, type Topology } from "./driver.ts";
import type { Endpoint, Moved, Primary, Sent, TracedLink } from "./link.ts";
import { ALL_SLOTS } from "./slots.ts";

/** A connection that never comes back: once lost, it is lost. */
export interface Connection {
  /** Resolves once commands can be sent. Nothing is sent of its own accord. */
  readonly opened: Promise<void>;
  /** Resolves with the reason. */
  readonly lost: Promise<Error>;
  send(args: readonly string[]): Promise<unknown>;
  destroy(): void;
}

export interface Dialler {
  readonly library: Library;
  dial(endpoint: Endpoint, tls: boolean): Connection;
}

/** How to get to a server and who to be there. */
export interface Access {
  readonly dialler: Dialler;
  readonly tls: boolean;
  readonly username: string;
  readonly password: string;
  readonly database: number;
}

/** Longest wait for a connection to open, and for the answers to its first questions. */
const OPEN_LIMIT_MS = 1_000;
const RETRY_MIN_MS = 25;
/** Redis back from a restart is noticed within this time. */
const RETRY_MAX_MS = 250;
/** Lost sooner than this, a connection was no success. */
const STEADY_MS = 1_000;
/** Between tries after a refusal that only people can change. */
const REFUSED_RETRY_MS = 1_000;
/** Between two looks at whether the server still answers, and is still the one to ask. */
const BEAT_MS = 1_000;
const BEAT_LIMIT_MS = 750;

/**
 * Does nothing, and fails where the store would: on a server without flags for scripts (Redis before
 * 7), under an ACL without EVAL, on a replica (it may write), while data are loaded.
 */
const PROBE: readonly string[] = ["EVAL", "#!lua flags=allow-oom\nreturn 1", "0"];
/** The probe's answers from a server that serves reads and logouts at least in part. */
const FIT_ENOUGH: readonly string[] = ["MISCONF", "NOREPLICAS"];

/** SELECT of a database that is not there, or in a Cluster, is an ERR. */
const HOPELESS: readonly string[] = ["NOAUTH", "WRONGPASS", "NOPERM", "ERR"];

export interface NodeOptions {
  /** Where the server is at the moment; asked before each connection, and with each beat. */
  readonly locate: () => Promise<Endpoint>;
  readonly access: Access;
  readonly topology: Topology;
  /** False for a Sentinel, which runs no scripts. */
  readonly isProbed: boolean;
  /** After each connection that was made or lost, or could not be made. */
  readonly onChange: () => void;
}

export class RedisNode implements TracedLink {
  readonly library: Library;
  readonly topology: Topology;
  readonly #options: NodeOptions;
  #connection: Connection | undefined;
  #at: Endpoint | undefined;
  #problem: Error | undefined = new Error("not connected yet");
  #isClosed = false;
  readonly #movers = new Set<Moved>();

  /** Begins to connect. */
  constructor(options: NodeOptions) {
    this.#options = options;
    this.library = options.access.dialler.library;
    this.topology = options.topology;
    void this.#run();
  }

  send(_key: string, args: readonly string[]): Sent | undefined {
    return this.sendAll([args]);
  }

  /** One right behind the other, on the same connection; the reply is the last one's. */
  sendAll(commands: readonly (readonly string[])[]): Sent | undefined {
    const connection = this.#connection;
    if (connection === undefined) return undefined;
    const replies = commands.map((args) => connection.send(args));
    for (const earlier of replies) earlier.catch(() => {});
    return { reply: Promise.resolve(replies.at(-1)), abandon: () => connection.destroy() };
  }

  problem(): Error | undefined {
    return this.#problem;
  }

  primaries(): readonly Primary[] {
    return this.#at === undefined ? [] : [{ endpoint: this.#at, slots: [ALL_SLOTS] }];
  }

  onMove(listener: Moved): () => void {
    this.#movers.add(listener);
    return () => this.#movers.delete(listener);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#problem = new Error("closed");
    this.#connection?.destroy();
  }

  async #run(): Promise<void> {
    for (let tries = 0; !this.#isClosed; tries++) {
      const connection = await this.#open();
      const openedAt = monotonicMs();
      if (connection !== undefined) await this.#hold(connection);
      this.#options.onChange();
      if (connection !== undefined) tries = -1;
      // At once after a loss: most often it was the connection alone. Not after one that came at once
      // itself: a server, or something before it, that drops whoever comes saw 1,300 of us a second.
      const isSteady = connection !== undefined && monotonicMs() - openedAt > STEADY_MS;
      if (!isSteady && !this.#isClosed) await idle(this.#delay(tries));
    }
  }

  #delay(tries: number): number {
    if (isHopeless(this.#problem)) return REFUSED_RETRY_MS;
    return Math.min(RETRY_MIN_MS * 2 ** Math.max(tries, 0), RETRY_MAX_MS);
  }

  async #open(): Promise<Connection | undefined> {
    let connection: Connection | undefined;
    try {
      this.#at = await answered(this.#options.locate(), OPEN_LIMIT_MS);
      connection = ending(this.#options.access.dialler.dial(this.#at, this.#options.access.tls));
      await answered(this.#greet(connection), OPEN_LIMIT_MS);
      if (!this.#isClosed) return connection;
      connection.destroy();
    } catch (error) {
      connection?.destroy();
      this.#tell(error);
    }
    return undefined;
  }

  async #greet(connection: Connection): Promise<void> {
    await opened(connection);
    await introduce(connection, this.#options.access);
    if (this.#options.isProbed) await probe(connection);
  }

  /** Until it is lost. */
  async #hold(connection: Connection): Promise<void> {
    for (const moved of this.#movers) moved();
    this.#connection = connection;
    this.#problem = undefined;
    this.#options.onChange();
    const stop = every(BEAT_MS, () => void this.#beat(connection));
    const reason = await connection.lost;
    stop();
    this.#connection = undefined;
    this.#tell(reason);
  }

  /** A link that went silent, or a server that is no primary any more, shows before a user sees it. */
  async #beat(connection: Connection): Promise<void> {
    if (!this.#options.isProbed) return;
    try {
      await answered(probe(connection), BEAT_LIMIT_MS);
    } catch (error) {
      // A server that is held up says so, and knows its connections afterwards.
      if (answerOf(causeOf(error))?.so !== "fails") connection.destroy();
    }
    const at = this.#at;
    const now = await this.#options.locate().catch(() => at);
    if (now?.host !== at?.host || now?.port !== at?.port) connection.destroy();
  }

  #tell(error: unknown): void {
    if (this.#isClosed) return;
    const { host, port } = this.#at ?? {};
    const where = host === undefined ? "" : `${host}:${port}: `;
    this.#problem = new Error(where + explained(causeOf(error)), { cause: causeOf(error) });
  }
}

/**
 * A connection that is lost when we destroy it, also if its client says nothing of that, and destroyed
 * when it is lost: node-redis tells of a reply that it cannot read, and keeps the connection open.
 */
function ending(connection: Connection): Connection {
  let end = (_reason: Error): void => {};
  const ended = new Promise<Error>((resolve) => {
    end = resolve;
  });
  const lost = Promise.race([connection.lost, ended]);
  void lost.then(() => connection.destroy());
  return {
    ...connection,
    lost,
    destroy() {
      connection.destroy();
      end(new Error("the connection was given up"));
    },
  };
}

/** One question on a connection of its own, which is gone afterwards. */
export async function askOnce(
  access: Access,
  endpoint: Endpoint,
  args: readonly string[],
): Promise<unknown> {
  const connection = access.dialler.dial(endpoint, access.tls);
  try {
    const asked = opened(connection)
      .then(() => introduce(connection, access))
      .then(() => connection.send(args));
    return await answered(asked, OPEN_LIMIT_MS);
  } finally {
    connection.destroy();
  }
}

async function introduce(connection: Connection, access: Access): Promise<void> {
  const { username, password, database } = access;
  if (password !== "") {
    await connection.send(["AUTH", ...(username === "" ? [] : [username]), password]);
  }
  if (database !== 0) await connection.send(["SELECT", String(database)]);
}

async function probe(connection: Connection): Promise<void> {
  try {
    const reply = await connection.send(PROBE);
    // Our own words are a reply, too: a connection to a port of callers may have reached itself.
    if (reply !== 1) throw new Error("what answers there is no Redis");
  } catch (error) {
    const answer = answerOf(error);
    if (answer !== undefined && FIT_ENOUGH.includes(answer.word)) return;
    const text = error instanceof Error ? error.message : "";
    // Before version 7 the first line of the probe is an error of syntax; some services have no EVAL.
    if (/compiling script|unknown command/i.test(text)) throw new Incapable({ cause: error });
    throw error;
  }
}

class Incapable extends Error {
  constructor(options: ErrorOptions) {
    super(
      "it cannot run Lua scripts that declare flags (#!lua), as Redis does from version 7",
      options,
    );
  }
}

/** Whether only people can make it work: to try again soon would be noise in somebody's log. */
export function isHopeless(problem: Error | undefined): boolean {
  const cause = causeOf(problem);
  const { word = "" } = answerOf(cause) ?? {};
  return cause instanceof Incapable || HOPELESS.includes(word);
}

/** What `answered`, or a node, has wrapped. */
function causeOf(error: unknown): unknown {
  const isWrapped =
    isSessionError(error) || (error instanceof Error && !(error instanceof Incapable));
  return isWrapped && error.cause !== undefined ? error.cause : error;
}

async function opened(connection: Connection): Promise<void> {
  await Promise.race([connection.opened, connection.lost.then((error) => Promise.reject(error))]);
}
