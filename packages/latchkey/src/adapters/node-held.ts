/** A response whose handler has used its session: what it writes waits until the session is saved. */
import type { ServerResponse } from "node:http";
import { internalError, type Refusal } from "../core/refusal.ts";
import type { Visit } from "../core/visit.ts";
import { headOfProblem, sendProblem, takeHead } from "./node-head.ts";

const HELD = ["writeHead", "flushHeaders", "write", "end"] as const;

/**
 * - open: nothing was written, and what `writeHead` says is only noted
 * - held: the head is due and the session is being saved; ended: the handler is done, too
 * - failed: it could not be saved, and what answers that is still to come
 * - sent: what comes goes out; dropped: another response took the place of the handler's
 */
type State = "open" | "held" | "ended" | "failed" | "sent" | "dropped";

type Method = (...args: never[]) => unknown;
export type Methods = Readonly<Record<(typeof HELD)[number], Method>>;

/** Hears errors of the handler's own; the response is still to be made. */
export type OnError = (error: unknown) => void;

export class HeldResponse {
  readonly #res: ServerResponse;
  readonly #visit: Visit<unknown>;
  readonly #onError: OnError;
  readonly #own: Methods;
  readonly #ours: Methods;
  readonly #queue: (() => unknown)[] = [];
  #state: State = "open";
  #hasFailed = false;
  #heldBytes = 0;

  constructor(
    res: ServerResponse,
    visit: Visit<unknown>,
    own: Methods,
    ours: Methods,
    onError: OnError = () => sendProblem(res, internalError()),
  ) {
    this.#res = res;
    this.#visit = visit;
    this.#onError = onError;
    this.#own = own;
    this.#ours = ours;
  }

  /** Whether what the handler wrote has left. */
  get isSent(): boolean {
    return this.#state === "sent" && !this.#hasFailed;
  }

  call(name: keyof Methods, args: unknown[]): unknown {
    const res = this.#res;
    const state = this.#state;
    const isOver =
      state === "ended" || state === "dropped" || (this.#hasFailed && res.writableEnded);
    if (isOver) return swallow(res, args);
    if (name === "writeHead" && state === "held") throw headersSent();
    if (name === "writeHead" && state !== "sent") return takeHead(res, args);
    if (state === "failed" || (state === "open" && this.#visit.isSettled(res.statusCode))) {
      this.#release();
    }
    if (this.#state === "sent") return Reflect.apply(this.#own[name], res, args);
    return this.#wait(name, args);
  }

  #release(): void {
    this.#visit.seal();
    this.#state = "sent";
  }

  /** In the queue until the session is saved. */
  #wait(name: keyof Methods, args: unknown[]): unknown {
    const res = this.#res;
    this.#queue.push(() => this.call(name, args));
    if (this.#state === "open") {
      const isDue = (): boolean =>
        this.#state === "held" || this.#state === "ended" || isHeadSent(res);
      Object.defineProperty(res, "headersSent", { get: isDue, configurable: true });
      void this.#settle();
    }
    this.#state = name === "end" ? "ended" : "held";
    if (name !== "write") return res;
    // False from the start would make a pipe wait for "drain", and compression, where it comes before
    // us, takes that event for its own.
    this.#heldBytes += Buffer.byteLength(chunkOf(args));
    return this.#heldBytes < res.writableHighWaterMark;
  }

  async #settle(): Promise<void> {
    const head = headOf(this.#res);
    try {
      const refusal = await this.#visit.settle(head.status);
      restore(this.#res, head);
      this.#release();
      if (refusal !== undefined) this.#replace(refusal);
      for (const again of this.#queue) again();
      // Whoever was told to wait with the next chunk may go on.
      this.#res.emit("drain");
    } catch (error) {
      this.#fail(error, head);
    }
  }

  #fail(error: unknown, head: ResponseHead): void {
    const res = this.#res;
    this.#visit.failed(error);
    if (isHeadSent(res)) return void res.destroy();
    restore(res, head);
    this.#hasFailed = true;
    // A handler that is not done would write on behind the answer to its error; and a wrapper, such as
    // compression, holds parts of its body already.
    const isAlone = this.#state === "ended" && HELD.every((name) => res[name] === this.#ours[name]);
    this.#state = "failed";
    if (isAlone) this.#onError(error);
    else this.#replace(internalError());
  }

  /** Past all wrappers: one that has compressed the handler's body would add ours to it. */
  #replace(refusal: Refusal): void {
    const res = this.#res;
    // Of the session, too, is the answer that says that it could not be saved.
    this.#visit.seal();
    const body = headOfProblem(res, refusal);
    // Else it would be chunked, and have whatever trailers the handler has added.
    res.setHeader("Content-Length", Buffer.byteLength(body));
    Reflect.apply(this.#own.writeHead, res, [res.statusCode]);
    Reflect.apply(this.#own.end, res, [body]);
    this.#state = "dropped";
  }
}

/** Whether it really has left, whatever `holdBack` says. */
function isHeadSent(res: ServerResponse): boolean {
  return Reflect.get(Object.getPrototypeOf(res), "headersSent", res);
}

/** As Node says it. */
function headersSent(): Error {
  const message = "Cannot write headers after they are sent to the client";
  return Object.assign(new Error(message), { code: "ERR_HTTP_HEADERS_SENT" });
}

interface ResponseHead {
  readonly status: number;
  readonly headers: ReturnType<ServerResponse["getHeaders"]>;
}

function headOf(res: ServerResponse): ResponseHead {
  return { status: res.statusCode, headers: { ...res.getHeaders() } };
}

/** What was changed of a head after it was due comes too late. */
function restore(res: ServerResponse, { status, headers }: ResponseHead): void {
  for (const name of res.getHeaderNames()) if (!(name in headers)) res.removeHeader(name);
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && res.getHeader(name) !== value) res.setHeader(name, value);
  }
  res.statusCode = status;
}

function chunkOf([chunk]: readonly unknown[]): string | Uint8Array {
  return typeof chunk === "string" || chunk instanceof Uint8Array ? chunk : "";
}

/** What a handler still writes to a response that another took the place of. */
function swallow(res: ServerResponse, args: readonly unknown[]): unknown {
  for (const callback of args) if (typeof callback === "function") callback();
  return res;
}
