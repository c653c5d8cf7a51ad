/**
 * The `redis` package (node-redis) as a driver: a single server or a Cluster, by URL or bring your
 * own client. Typed by shape, so that nobody who brings another client has to install it.
 */
import { parseDuration } from "../core/duration.ts";
import { SessionError } from "../core/errors.ts";
import { answered, CALL_TIMEOUT, ownReply, type RedisDriver, type Script } from "./driver.ts";

interface SingleClient {
  sendCommand(args: string[]): Promise<unknown>;
}

interface ClusterClient {
  sendCommand(
    firstKey: string | undefined,
    isReadonly: boolean | undefined,
    args: string[],
  ): Promise<unknown>;
  readonly masters: readonly unknown[];
}

/** A client made by `createClient` or `createCluster` of the `redis` package. */
export type NodeRedisClient = SingleClient | ClusterClient;

/** A client that `connect` opened. */
export type ConnectedClient = NodeRedisClient & {
  on(event: string, listener: (detail: unknown) => void): unknown;
  /** Lets go at once: calls in flight reject. */
  destroy(): void;
};

/** How long `connect` tries before it gives up. */
export const CONNECT_TIMEOUT_MS = 5_000;

const CLUSTER_URL = /^redis\+cluster:\/\/(.+)$/;
const SINGLE_URL = /^rediss?:\/\//;
/** One attempt; the next follows, so this is no limit of the whole. */
const ATTEMPT_TIMEOUT_MS = 1_000;
/** Redis back from a restart is noticed within this time. */
const RETRY_MAX_MS = 250;

/**
 * The client as the store sees it. Throws `invalid-option` for a client that rewrites keys.
 *
 * @param callTimeoutMs the longest wait for one call
 */
export function driverFor(
  client: NodeRedisClient | ConnectedClient,
  callTimeoutMs: number = parseDuration(CALL_TIMEOUT, "callTimeout"),
): RedisDriver {
  refuseKeyPrefix(client);
  const send = (key: string, args: string[]): Promise<unknown> =>
    isCluster(client) ? client.sendCommand(key, false, args) : client.sendCommand(args);
  const run = async ({ sha1, lua }: Script, keys: readonly string[], args: readonly string[]) => {
    const rest = [String(keys.length), ...keys, ...args];
    const key = keys[0] ?? "";
    try {
      return await send(key, ["EVALSHA", sha1, ...rest]);
    } catch (error) {
      // After a restart, a failover or SCRIPT FLUSH; EVAL teaches the server the script again.
      if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
      return send(key, ["EVAL", lua, ...rest]);
    }
  };
  return {
    command: (key, args) => answered(send(key, [...args]), callTimeoutMs),
    async script(script, keys, args) {
      return ownReply(await answered(run(script, keys, args), callTimeoutMs), keys[0] ?? "");
    },
    async close() {
      if ("destroy" in client) client.destroy();
    },
  };
}

/**
 * Opens a client for `redis://`, `rediss://` or `redis+cluster://host:port,host:port`. It fails
 * fast while Redis is away and reconnects by itself for ever. Rejects with `invalid-option` for
 * another URL, with "store-unavailable" if Redis does not answer within `timeoutMs`.
 */
export async function connect(
  url: string,
  { timeoutMs = CONNECT_TIMEOUT_MS }: { readonly timeoutMs?: number } = {},
): Promise<ConnectedClient> {
  const client = await create(url);
  let lastError: unknown;
  // Without a listener, node-redis ends the process at the first lost connection.
  client.on("error", (error) => {
    lastError = error;
  });
  try {
    await answered(client.connect(), timeoutMs);
  } catch (error) {
    client.destroy();
    const reason = lastError instanceof Error ? lastError.message : `no answer in ${timeoutMs} ms`;
    throw new SessionError("store-unavailable", `Redis is not reachable: ${reason}`, {
      cause: lastError ?? error,
    });
  }
  return client;
}

/** Settings that differ from node-redis' defaults, each because the default hangs a request. */
const OPTIONS = {
  // Default: commands wait in a queue until Redis is back. A request must hear 503 at once.
  disableOfflineQueue: true,
  socket: {
    connectTimeout: ATTEMPT_TIMEOUT_MS,
    // Default: waits up to 2 s between attempts, and gives up for good on a socket timeout.
    reconnectStrategy: (retries: number): number => Math.min(25 * 2 ** retries, RETRY_MAX_MS),
  },
};

async function create(url: string): Promise<ConnectedClient & { connect(): Promise<unknown> }> {
  const [, nodes] = CLUSTER_URL.exec(url) ?? [];
  if (nodes === undefined && !SINGLE_URL.test(url)) throw badUrl();
  const { createClient, createCluster } = await import("redis");
  try {
    if (nodes === undefined) return createClient({ url, ...OPTIONS });
    // Each node is checked on its own: `redis://` URLs throw on a bad host or port.
    const urls = nodes.split(",").map((node) => new URL(`redis://${node}`));
    const rootNodes = urls.map(({ href }) => ({ url: href }));
    // The nodes that are found through these know nothing of their URLs.
    return createCluster({ rootNodes, defaults: { ...OPTIONS, ...credentials(urls) } });
  } catch (cause) {
    throw badUrl(cause);
  }
}

/** Who we are to a Cluster: what the first node that says so says. */
function credentials(urls: readonly URL[]): { username?: string; password?: string } {
  const { username = "", password = "" } = urls.find((url) => url.password !== "") ?? {};
  return {
    ...(username === "" ? {} : { username: decodeURIComponent(username) }),
    ...(password === "" ? {} : { password: decodeURIComponent(password) }),
  };
}

function isCluster(client: NodeRedisClient): client is ClusterClient {
  return "masters" in client;
}

function refuseKeyPrefix(client: object): void {
  const options: unknown = "options" in client ? client.options : undefined;
  if (typeof options === "object" && options !== null && "keyPrefix" in options) {
    if (options.keyPrefix === undefined || options.keyPrefix === "") return;
    throw new SessionError(
      "invalid-option",
      "client must not have a keyPrefix: it moves keys to other hash slots; use `prefix`",
      { field: "client" },
    );
  }
}

function badUrl(cause?: unknown): SessionError {
  return new SessionError(
    "invalid-option",
    "url must be redis://host:port, rediss://host:port or redis+cluster://host:port,host:port",
    { field: "url", cause },
  );
}
