/**
 * The part of RESP3 that a tracking connection speaks: https://redis.io/docs/latest/develop/reference/protocol-spec/
 * Whatever is not as it should be throws: a stream that was misread once cannot be trusted again.
 */

/** A reply: strings are UTF-8. Maps come as [key, value, …]. */
export type Reply = string | number | null | boolean | RespError | readonly Reply[];

/** An error that the server answered. */
export class RespError extends Error {
  override readonly name = "RespError";
}

/** Longer than any key name or any answer that we ask for. */
const BULK_MAX_BYTES = 1 << 20;
const ITEMS_MAX = 1 << 16;
const DEPTH_MAX = 8;
const LINE_MAX_BYTES = 1 << 16;
const CR = 0x0d;

export function encodeCommand(args: readonly string[]): string {
  const parts = args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`);
  return `*${args.length}\r\n${parts.join("")}`;
}

export interface Resp3Listener {
  onReply(reply: Reply): void;
  /** Sent without being asked: [kind, …]. */
  onPush(push: readonly Reply[]): void;
}

/** Thrown inside the decoder when a reply is not complete yet. */
const INCOMPLETE = Symbol("incomplete");

export class Resp3Decoder {
  readonly #listener: Resp3Listener;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(listener: Resp3Listener) {
    this.#listener = listener;
  }

  /** Takes what the socket gave. Throws for what is no RESP3; then the connection is of no use. */
  push(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    for (;;) {
      this.#at = 0;
      if (this.#bytes.length === 0) return;
      const isPush = this.#bytes[0] === ">".charCodeAt(0);
      try {
        const value = this.#value(0);
        this.#bytes = this.#bytes.subarray(this.#at);
        if (isPush && Array.isArray(value)) this.#listener.onPush(value);
        else this.#listener.onReply(value);
      } catch (stop) {
        if (stop === INCOMPLETE) return;
        throw stop;
      }
    }
  }

  #value(depth: number): Reply {
    if (depth > DEPTH_MAX) throw new Error("RESP3: nested too deep");
    const line = this.#line();
    const rest = line.slice(1);
    switch (line.charAt(0)) {
      case "+":
      case "(":
        return rest;
      case "-":
        return new RespError(rest);
      case ":":
        return count(rest, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
      case ",":
        return Number(rest);
      case "#":
        return rest === "t";
      case "_":
        return null;
      case "$":
      case "=":
        return rest === "-1" ? null : this.#bulk(count(rest, 0, BULK_MAX_BYTES));
      case "!":
        return new RespError(this.#bulk(count(rest, 0, BULK_MAX_BYTES)));
      case "*":
      case "~":
      case ">":
        return rest === "-1" ? null : this.#items(count(rest, 0, ITEMS_MAX), depth);
      case "%":
        return this.#items(2 * count(rest, 0, ITEMS_MAX), depth);
      default:
        throw new Error("RESP3: unknown type of reply");
    }
  }

  #items(length: number, depth: number): Reply[] {
    const items: Reply[] = [];
    for (let i = 0; i < length; i++) items.push(this.#value(depth + 1));
    return items;
  }

  #line(): string {
    const end = this.#bytes.indexOf("\r\n", this.#at);
    if (end < 0) {
      if (this.#bytes.length - this.#at > LINE_MAX_BYTES) throw new Error("RESP3: endless line");
      throw INCOMPLETE;
    }
    const line = this.#bytes.toString("utf8", this.#at, end);
    this.#at = end + 2;
    return line;
  }

  #bulk(length: number): string {
    const end = this.#at + length;
    if (this.#bytes.length < end + 2) throw INCOMPLETE;
    if (this.#bytes[end] !== CR) throw new Error("RESP3: a string is longer than it says");
    const text = this.#bytes.toString("utf8", this.#at, end);
    this.#at = end + 2;
    return text;
  }
}

function count(text: string, min: number, max: number): number {
  const value = /^-?\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new Error("RESP3: a number out of range");
}
