/**
 * The `redis` package (node-redis 6): connections for our own links, and clients that somebody brings.
 * Typed by shape, so that nobody who uses another client has to install it.
 */
import { invalidOption } from "../core/options.ts";
import type { Endpoint, Link, Sent } from "./link.ts";
import type { Connection, Dialler } from "./node.ts";
import { slotOf } from "./slots.ts";

interface SendOptions {
  readonly typeMapping: Readonly<Record<number, never>>;
  readonly timeout: number;
  readonly abortSignal?: AbortSignal;
}

/** A client made by `createClient`. */
export interface NodeRedisSingle {
  readonly isReady: boolean;
  readonly isOpen?: boolean;
  readonly options?: object | undefined;
  sendCommand(args: string[], options: SendOptions): Promise<unknown>;
  connect(): Promise<unknown>;
  destroy(): void;
}

/** A client made by `createSentinel`. */
export interface NodeRedisSentinel {
  readonly isReady: boolean;
  _execute(
    isReadonly: boolean,
    send: (client: NodeRedisSingle) => Promise<unknown>,
  ): Promise<unknown>;
}

/** A client made by `createCluster`. */
export interface NodeRedisCluster {
  readonly isReady: boolean;
  readonly slots: readonly ({ readonly master: { readonly client?: unknown } } | undefined)[];
  sendCommand(
    firstKey: string | undefined,
    isReadonly: boolean,
    args: string[],
    options: SendOptions,
  ): Promise<unknown>;
}

/** A client of the `redis` package. */
export type NodeRedisClient = NodeRedisSingle | NodeRedisSentinel | NodeRedisCluster;

/** Rejects if the package is not installed. */
export async function nodeRedisDialler(): Promise<Dialler> {
  const { createClient } = await import("redis");
  return {
    library: "redis",
    dial({ host, port }: Endpoint, tls: boolean): Connection {
      const client = createClient({
        // Nothing is sent of its own accord: RESP3 begins with HELLO, and the client puts commands of
        // others right behind it, also when its AUTH was refused.
        RESP: 2,
        disableClientInfo: true,
        // A command that cannot be written now must fail now. Default: it waits up to 5 s.
        disableOfflineQueue: true,
        // Default: up to 2 s between attempts, and none any more after a socketTimeout.
        socket: { host, port, reconnectStrategy: false, ...(tls ? { tls } : {}) },
      });
      const lost = new Promise<Error>((resolve) => {
        // Without a listener, the first lost connection ends the process.
        client.on("error", resolve);
        client.on("terminated", (error) => resolve(error ?? new Error("the connection was lost")));
        client.on("end", () => resolve(new Error("the connection was closed")));
      });
      let isOpened = false;
      const opened = client.connect().then(() => {
        isOpened = true;
      });
      opened.catch(() => {});
      // Before 6.3, to destroy one that is closed throws.
      const end = (): void => {
        if (client.isOpen) client.destroy();
      };
      const destroy = (): void => {
        if (isOpened) end();
        // While it connects, it has nothing to destroy yet, and would keep what it gets seconds later.
        else opened.then(end, () => {});
      };
      return { opened, lost, send: (args) => client.sendCommand(args), destroy };
    },
  };
}

/** Undefined if it is no client of this package. Throws `invalid-option` for one that is unsafe. */
export function nodeRedisLink(client: object, limitMs: number): Link | undefined {
  if (!("isReady" in client && "sendCommand" in client)) return undefined;
  refuseOptions(client);
  if ("masters" in client) return clusterLink(client as unknown as NodeRedisCluster, limitMs);
  if ("use" in client) return sentinelLink(client as unknown as NodeRedisSentinel, limitMs);
  return singleLink(client as unknown as NodeRedisSingle, limitMs);
}

/** Whatever the client's own defaults: strings as strings, and what was not written in time never is. */
function optionsOf(limitMs: number): SendOptions {
  return { typeMapping: {}, timeout: limitMs };
}

function singleLink(client: NodeRedisSingle, limitMs: number): Link {
  const reopen = reopener(client);
  return {
    library: "redis",
    topology: "single",
    send(_key, args) {
      // Its queue would keep the command for later.
      if (!client.isReady) return undefined;
      const reply = client.sendCommand([...args], optionsOf(limitMs));
      return { reply, abandon: reopen() };
    },
    problem: () => unready(client),
    close: async () => {},
  };
}

/**
 * It sends a command again when the connection was lost on the way (an INCR was applied twice), and
 * waits for a connection as long as it takes. So what it may send is good for one time, and for now.
 */
function sentinelLink(client: NodeRedisSentinel, limitMs: number): Link {
  return {
    library: "redis",
    topology: "sentinel",
    send(_key, args, isWanted) {
      if (!client.isReady) return undefined;
      let used: NodeRedisSingle | undefined;
      let abandon = (): void => {};
      const reply = client._execute(false, async (node) => {
        if (used !== undefined || !isWanted()) throw new Error("the connection was lost");
        used = node;
        abandon = reopener(node)();
        return node.sendCommand([...args], optionsOf(limitMs));
      });
      return { reply, abandon: () => abandon() };
    },
    problem: () => unready(client),
    close: async () => {},
  };
}

function clusterLink(client: NodeRedisCluster, limitMs: number): Link {
  return {
    library: "redis",
    topology: "cluster",
    send(key, args): Sent | undefined {
      if (!client.isReady) return undefined;
      const node = client.slots[slotOf(key)]?.master.client;
      const isNode = typeof node === "object" && node !== null && "isReady" in node;
      if (isNode && node.isReady !== true) return undefined;
      // It connects to a node first where it has to; after that it may be too late.
      const abortSignal = AbortSignal.timeout(limitMs);
      const first = key === "" ? undefined : key;
      const reply = client.sendCommand(first, false, [...args], {
        ...optionsOf(limitMs),
        abortSignal,
      });
      return { reply, abandon: isNode ? reopener(node as NodeRedisSingle)() : () => {} };
    },
    problem: () => unready(client),
    close: async () => {},
  };
}

const reopened = new WeakMap<NodeRedisSingle, number>();

/**
 * What destroys the connection that a client has at the time of the inner call, and connects again.
 * After it has done so once, the connections of before that are gone, and it does nothing.
 */
function reopener(client: NodeRedisSingle): () => () => void {
  return () => {
    const epoch = reopened.get(client) ?? 0;
    return () => {
      // One that its owner has closed stays closed.
      if (client.isOpen === false || (reopened.get(client) ?? 0) !== epoch) return;
      reopened.set(client, epoch + 1);
      client.destroy();
      // It goes on trying by itself; what is wrong, its own listeners hear.
      client.connect().catch(() => {});
    };
  };
}

function unready({ isReady }: { readonly isReady: boolean }): Error | undefined {
  return isReady ? undefined : new Error("the client is not connected");
}

function refuseOptions(client: object): void {
  const options = "options" in client ? client.options : undefined;
  const { socket } = (options ?? {}) as { socket?: Record<string, unknown> };
  if ("_keyPrefix" in client && client._keyPrefix) {
    throw invalidOption(
      "client",
      "must not have a keyPrefix: it moves keys to other hash slots; use `prefix`",
    );
  }
  // Measured: after `socketTimeout`, the default strategy gives the client up for good, even on a
  // healthy server after an idle second.
  if (
    socket?.["socketTimeout"] !== undefined &&
    typeof socket["reconnectStrategy"] !== "function"
  ) {
    throw invalidOption(
      "client",
      "must not have a socketTimeout without a reconnectStrategy function: it would end for good",
    );
  }
  if (socket?.["reconnectStrategy"] === false) {
    throw invalidOption(
      "client",
      "must have a reconnectStrategy: one that is lost would stay lost",
    );
  }
}
