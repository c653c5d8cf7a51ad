/**
 * One response of server-sent events (WHATWG HTML §9.2). What is sent is a few bytes now and then, so a
 * reader that lets them pile up is gone or hostile: it is cut off.
 */
import type { ServerResponse } from "node:http";

/** A client that lost its stream comes back after this long, unless an event told it why. */
export const RETRY_MS = 2_000;
/** What may wait for a reader, past what the kernels hold on both sides. Ten times a stream's events. */
export const UNREAD_MAX_BYTES = 4_096;

const HEADERS = {
  "Content-Type": "text/event-stream; charset=utf-8",
  "Cache-Control": "no-store",
  // nginx would keep events back until it has a buffer full of them.
  "X-Accel-Buffering": "no",
};

export class EventStream {
  readonly #res: ServerResponse;

  /** Sends the head, so that the client knows at once that it is connected. */
  constructor(res: ServerResponse) {
    this.#res = res;
    sendHead(res);
    this.#write(`retry: ${RETRY_MS}\n\n`);
  }

  /** Runs once, when the connection is over for whatever reason. */
  onClose(listener: () => void): void {
    this.#res.once("close", listener);
  }

  send(event: string, data: Readonly<Record<string, string>>): void {
    this.#write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** A comment, which says nothing: a proxy sees that the connection is in use. */
  beat(): void {
    this.#write(":\n\n");
  }

  /** Ends it in good order: what was sent arrives. */
  close(): void {
    this.#res.end();
  }

  #write(text: string): void {
    if (this.#res.writableEnded || this.#res.destroyed) return;
    this.#res.write(text);
    if (this.#res.writableLength > UNREAD_MAX_BYTES) this.#res.destroy();
  }
}

/** For HEAD: what a GET would begin with. */
export function sendHead(res: ServerResponse): void {
  res.statusCode = 200;
  for (const [name, value] of Object.entries(HEADERS)) res.setHeader(name, value);
  res.flushHeaders();
}
