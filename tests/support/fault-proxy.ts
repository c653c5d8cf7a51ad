/**
 * A TCP proxy in front of a Redis that does to the wire what networks and broken servers do. Without a
 * fault it passes bytes on as they come.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** What happens to the next request that contains a marker, and to its reply. */
export interface Fault {
  /** `reset`, `end`: the connection goes before the server sees the request. Default: passed on. */
  readonly request?: "reset" | "end" | "lost";
  /** In place of the chunk with the reply; undefined: none. Default: as it is. */
  readonly reply?: (chunk: Buffer) => Buffer | undefined;
  /** To the connection, after the reply. */
  readonly afterwards?: "reset" | "end";
  /** How much later the reply comes. */
  readonly lateMs?: number;
}

export interface FaultProxy {
  readonly port: number;
  /** Connections that were opened so far. */
  readonly opened: number;
  /** Connections that are open now, as their clients see them. */
  readonly open: number;
  /** Nothing passes in either direction, and no connection ends; also new ones are only accepted. */
  isBlackhole: boolean;
  /** Each reply is late by so much. */
  latencyMs: number;
  /** For every chunk of replies, of all connections; undefined: none of it arrives. */
  mangle: ((chunk: Buffer) => Buffer | undefined) | undefined;
  arm(marker: string, fault: Fault): void;
  /** Whether the armed fault has struck. */
  readonly hasStruck: boolean;
  stop(): Promise<void>;
}

export async function startProxy(targetPort: number): Promise<FaultProxy> {
  const proxy = new WireProxy(targetPort);
  await proxy.listen();
  return proxy;
}

class WireProxy implements FaultProxy {
  isBlackhole = false;
  latencyMs = 0;
  mangle: FaultProxy["mangle"];
  opened = 0;
  open = 0;
  hasStruck = false;
  #armed: { readonly marker: string; readonly fault: Fault } | undefined;
  readonly #targetPort: number;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer({ noDelay: true }, (client) => this.#join(client));

  constructor(targetPort: number) {
    this.#targetPort = targetPort;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  arm(marker: string, fault: Fault): void {
    this.hasStruck = false;
    this.#armed = { marker, fault };
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  #join(client: Socket): void {
    this.opened += 1;
    this.open += 1;
    client.on("close", () => {
      this.open -= 1;
    });
    const server = connect({ port: this.#targetPort, host: "127.0.0.1", noDelay: true });
    const pair: Pair = { client, server, fault: undefined, late: [], dueAt: 0 };
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      // In a black hole, nobody hears that the other one has gone.
      socket.on("close", () => {
        this.#sockets.delete(socket);
        if (!this.isBlackhole) other.destroy();
      });
    }
    client.on("data", (chunk) => this.#up(pair, chunk));
    server.on("data", (chunk) => this.#down(pair, chunk));
  }

  #up(pair: Pair, chunk: Buffer): void {
    if (this.isBlackhole) return;
    const armed = this.#armed;
    if (armed !== undefined && chunk.includes(armed.marker)) {
      this.#armed = undefined;
      this.hasStruck = true;
      if (armed.fault.request === "lost") return;
      pair.fault = armed.fault;
    }
    const how = pair.fault?.request;
    if (how === "reset" || how === "end") leave(pair, how);
    else pair.server.write(chunk);
  }

  #down(pair: Pair, chunk: Buffer): void {
    if (this.isBlackhole) return;
    const { fault } = pair;
    pair.fault = undefined;
    const reply = fault?.reply ?? this.mangle ?? ((bytes) => bytes);
    const bytes = reply(chunk);
    const pass = (): void => {
      if (bytes !== undefined && !pair.client.destroyed) pair.client.write(bytes);
      if (fault?.afterwards !== undefined) leave(pair, fault.afterwards);
    };
    const now = performance.now();
    // A stream keeps its order: what follows a late reply is as late as that at least.
    pair.dueAt = Math.max(pair.dueAt, now + (fault?.lateMs ?? this.latencyMs));
    if (pair.dueAt <= now && pair.late.length === 0) {
      pass();
      return;
    }
    pair.late.push(pass);
    setTimeout(() => pair.late.shift()?.(), pair.dueAt - now);
  }
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  fault: Fault | undefined;
  /** Replies that are held back, and until when the last of them is. */
  readonly late: (() => void)[];
  dueAt: number;
}

function leave({ client, server }: Pair, how: "reset" | "end"): void {
  if (how === "reset") client.resetAndDestroy();
  else client.end();
  server.destroy();
}
