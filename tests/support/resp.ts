/**
 * A tiny RESP2 client for black-box tests: it looks into Redis without the clients under test.
 * Commands are answered in the order in which they were sent. Bulk strings arrive as UTF-8.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

export type Reply = string | number | null | RespError | readonly Reply[];

/** An error reply. As an answer to a command it rejects; inside an array it is an element. */
export class RespError extends Error {
  override readonly name = "RespError";
}

export interface Resp {
  /** Rejects with RespError when Redis refuses, with another error when the connection is lost. */
  command(...args: readonly string[]): Promise<Reply>;
  /** From now on every line of MONITOR goes to `onLine`; no commands any more. */
  monitor(onLine: (line: string) => void): Promise<void>;
  close(): void;
}

const CONNECT_LIMIT_MS = 2_000;

export async function connectResp(port: number): Promise<Resp> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  await once(socket, "connect", { signal: AbortSignal.timeout(CONNECT_LIMIT_MS) });
  return new RespConnection(socket);
}

/** One command on a connection of its own. */
export async function respOnce(port: number, ...args: readonly string[]): Promise<Reply> {
  const resp = await connectResp(port);
  try {
    return await resp.command(...args);
  } finally {
    resp.close();
  }
}

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

class RespConnection implements Resp {
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  #unread: Buffer = Buffer.alloc(0);
  #onLine: ((line: string) => void) | undefined;
  #lost: Error | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk) => this.#read(Buffer.concat([this.#unread, chunk])));
    socket.on("error", (error) => this.#lose(error));
    socket.on("close", () => this.#lose(new Error("the connection to Redis was closed")));
  }

  async command(...args: readonly string[]): Promise<Reply> {
    if (this.#lost !== undefined) throw this.#lost;
    if (this.#onLine !== undefined) throw new Error("this connection belongs to MONITOR");
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      const parts = args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`);
      this.#socket.write(`*${args.length}\r\n${parts.join("")}`);
    });
  }

  async monitor(onLine: (line: string) => void): Promise<void> {
    const started = this.command("MONITOR");
    this.#onLine = onLine;
    await started;
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    let offset = 0;
    for (let parsed = parse(bytes, 0); parsed !== undefined; parsed = parse(bytes, offset)) {
      offset = parsed.end;
      this.#deliver(parsed.reply);
    }
    this.#unread = bytes.subarray(offset);
  }

  #deliver(reply: Reply): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) {
      if (typeof reply === "string") this.#onLine?.(reply);
    } else if (reply instanceof RespError) waiting.reject(reply);
    else waiting.resolve(reply);
  }

  #lose(error: Error): void {
    this.#lost ??= error;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
  }
}

interface Parsed {
  readonly reply: Reply;
  readonly end: number;
}

/** The reply that begins at `start`, or `undefined` while a part of it is missing. */
function parse(bytes: Buffer, start: number): Parsed | undefined {
  const lineEnd = bytes.indexOf("\r\n", start);
  if (lineEnd < 0) return undefined;
  const text = bytes.toString("utf8", start + 1, lineEnd);
  const end = lineEnd + 2;
  switch (String.fromCharCode(bytes[start] ?? 0)) {
    case "+":
      return { reply: text, end };
    case "-":
      return { reply: new RespError(text), end };
    case ":":
      return { reply: Number(text), end };
    case "$":
      return parseBulk(bytes, end, Number(text));
    case "*":
      return parseArray(bytes, end, Number(text));
    default:
      throw new Error(`not RESP2: ${bytes.toString("utf8", start, lineEnd)}`);
  }
}

function parseBulk(bytes: Buffer, start: number, length: number): Parsed | undefined {
  if (length < 0) return { reply: null, end: start };
  const end = start + length + 2;
  if (bytes.length < end) return undefined;
  return { reply: bytes.toString("utf8", start, start + length), end };
}

function parseArray(bytes: Buffer, start: number, length: number): Parsed | undefined {
  if (length < 0) return { reply: null, end: start };
  const items: Reply[] = [];
  let end = start;
  while (items.length < length) {
    const parsed = parse(bytes, end);
    if (parsed === undefined) return undefined;
    items.push(parsed.reply);
    end = parsed.end;
  }
  return { reply: items, end };
}
