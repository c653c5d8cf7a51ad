/**
 * The `ioredis` package (6): connections for our own links, and clients that somebody brings. Typed by
 * shape, so that nobody who uses another client has to install it.
 */
import { invalidOption } from "../core/options.ts";
import type { Endpoint, Link } from "./link.ts";
import type { Connection, Dialler } from "./node.ts";
import { slotOf } from "./slots.ts";

/** A client made by `new Redis()`, of a single server or through Sentinel. */
export interface IoredisSingle {
  readonly status: string;
  readonly isCluster: boolean;
  readonly options: object;
  call(command: string, args: string[]): Promise<unknown>;
}

/** A client made by `new Redis.Cluster()`. */
export interface IoredisCluster extends IoredisSingle {
  readonly slots: readonly (readonly string[] | undefined)[];
  nodes(role: "master"): readonly IoredisSingle[];
}

/** A client of the `ioredis` package. */
export type IoredisClient = IoredisSingle | IoredisCluster;

/** Rejects if the package is not installed. */
export async function ioredisDialler(): Promise<Dialler> {
  const { Redis } = await import("ioredis");
  return {
    library: "ioredis",
    dial({ host, port }: Endpoint, tls: boolean): Connection {
      const client = new Redis({
        ...{ host, port, ...(tls ? { tls: {} } : {}), lazyConnect: true },
        // Nothing is sent of its own accord, neither HELLO nor INFO.
        ...{ protocol: 2, disableClientInfo: true, enableReadyCheck: false },
        // Never the same client on a second connection. Default: it sends again what has no answer,
        // and an INCR whose reply was lost was applied twice.
        ...{ retryStrategy: null, autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0 },
        // Default: commands wait up to 75 s for a connection.
        enableOfflineQueue: false,
        // Default: a destroyed connection to a frozen server holds its calls for 2 s more.
        disconnectTimeout: 0,
      });
      let reason = new Error("the connection was closed");
      let isDestroyed = false;
      const lost = new Promise<Error>((resolve) => {
        client.on("error", (error) => {
          reason = error;
        });
        client.on("end", () => resolve(reason));
      });
      // What it says itself is only that the connection is closed.
      const opened = client.connect().catch(() => Promise.reject(reason));
      opened.catch(() => {});
      const send = ([command = "", ...args]: readonly string[]) => call(client, command, args);
      const destroy = (): void => {
        // Each call adds a listener to the stream: it may be asked for by every call in flight.
        if (!isDestroyed) client.disconnect();
        isDestroyed = true;
      };
      return { opened, lost, send, destroy };
    },
  };
}

/** Undefined if it is no client of this package. Throws `invalid-option` for one that is unsafe. */
export function ioredisLink(client: object): Link | undefined {
  if (!("call" in client && "status" in client && "options" in client)) return undefined;
  const known = client as IoredisClient;
  refuseOptions(known);
  return known.isCluster ? clusterLink(known as IoredisCluster) : singleLink(known);
}

function singleLink(client: IoredisSingle): Link {
  const isSentinel = Array.isArray((client.options as { sentinels?: unknown }).sentinels);
  return {
    library: "ioredis",
    topology: isSentinel ? "sentinel" : "single",
    send(_key, [command = "", ...args]) {
      if (client.status !== "ready") return undefined;
      const abandon = destroyer(client);
      return { reply: call(client, command, args), abandon };
    },
    problem: () => unready(client),
    close: async () => {},
  };
}

function clusterLink(client: IoredisCluster): Link {
  return {
    library: "ioredis",
    topology: "cluster",
    send(key, [command = "", ...args]) {
      const address = client.slots[slotOf(key)]?.[0];
      const node = client.nodes("master").find(({ options }) => addressOf(options) === address);
      // A node that was never used yet is in "wait": to send is what connects it.
      const canSend = node === undefined || ["ready", "wait"].includes(node.status);
      if (client.status !== "ready" || !canSend) return undefined;
      const abandon = node === undefined ? () => {} : destroyer(node);
      return { reply: call(client, command, args), abandon };
    },
    problem: () => unready(client),
    close: async () => {},
  };
}

/** Its errors carry the command with all arguments: a password, tokens, data. They end up in logs. */
async function call(
  client: Pick<IoredisSingle, "call">,
  command: string,
  args: string[],
): Promise<unknown> {
  try {
    return await client.call(command, args);
  } catch (error) {
    const { lastNodeError } = Object(error);
    for (const one of [error, lastNodeError]) Reflect.deleteProperty(Object(one), "command");
    throw error;
  }
}

function addressOf(options: object): string {
  const { host, port } = options as { host?: unknown; port?: unknown };
  return `${host}:${port}`;
}

/** What destroys the connection that the client has now. It connects again by itself. */
function destroyer(client: object): () => void {
  const stream = "stream" in client ? client.stream : undefined;
  return () => {
    if (typeof stream !== "object" || stream === null || !("destroy" in stream)) return;
    if (typeof stream.destroy === "function") stream.destroy();
  };
}

function unready({ status }: IoredisSingle): Error | undefined {
  return status === "ready" ? undefined : new Error(`the client is not connected (${status})`);
}

interface Rule {
  readonly option: string;
  readonly isSafe: (value: unknown) => boolean;
  readonly must: string;
}

const ANYWHERE: readonly Rule[] = [
  rule(
    "keyPrefix",
    [undefined, null, ""],
    "must not be set: it moves keys to other hash slots; use `prefix`",
  ),
  rule("stringNumbers", [undefined, false], "must not be set: replies would not be read"),
  rule(
    "enableAutoPipelining",
    [undefined, false],
    "must be off: a pipeline is sent again as a whole",
  ),
];
const QUEUE =
  "must be false: a command that waits for a connection is sent long after it was given up";

/** Each default was measured, in single mode and through Sentinel. */
const SINGLE: readonly Rule[] = [
  ...ANYWHERE,
  rule("enableOfflineQueue", [false], QUEUE),
  rule(
    "autoResendUnfulfilledCommands",
    [false],
    "must be false: a write whose reply was lost is applied twice",
  ),
  rule(
    "maxRetriesPerRequest",
    [0],
    "must be 0: without it, a lost call stays pending for ever (6.0.0)",
  ),
  rule("role", [undefined, "master"], "must be master: sessions are not read from replicas"),
];
const CLUSTER: readonly Rule[] = [
  ...ANYWHERE,
  rule("enableOfflineQueue", [false], QUEUE),
  rule("retryDelayOnFailover", [0], "must be 0: a write whose reply was lost is applied twice"),
  rule("clusterNodeRetryStrategy", [undefined, null], "must not be set: a node would send again"),
  rule("scaleReads", ["master"], "must be master: sessions are not read from replicas"),
];

function refuseOptions(client: IoredisClient): void {
  const options = client.options as Record<string, unknown>;
  const nested = (options["redisOptions"] ?? {}) as Record<string, unknown>;
  for (const { option, isSafe, must } of client.isCluster ? CLUSTER : SINGLE) {
    if (!isSafe(options[option])) throw invalidOption("client", `(ioredis): ${option} ${must}`);
  }
  if (!client.isCluster) return;
  for (const { option, isSafe, must } of ANYWHERE) {
    if (!isSafe(nested[option]))
      throw invalidOption("client", `(ioredis): redisOptions.${option} ${must}`);
  }
}

function rule(option: string, safe: readonly unknown[], must: string): Rule {
  return { option, isSafe: (value) => safe.includes(value), must };
}
