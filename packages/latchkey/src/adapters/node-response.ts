/**
 * A response of Node that waits for its session: the one clever thing of this folder.
 *
 * Most requests only look at who is logged in, and there is nothing to wait for: the session's own
 * headers are added when the head is about to leave, and that is all.
 *
 * As soon as there may be something to save, the response is held back, because `res.end` is synchronous
 * and a store is not. From the first call that would send the head until the session is saved, what the
 * handler writes waits in a queue; then it goes out, or a problem document in its place. To the handler
 * it looks as if the head had left.
 */
import type { ServerResponse } from "node:http";
import type { Visit } from "../core/visit.ts";
import { takeHead } from "./node-head.ts";
import { HeldResponse, type Methods, type OnError } from "./node-held.ts";

/** @param onError hears errors of the handler's own; the response is still to be made. Default: 500 */
export function holdBack(
  res: ServerResponse,
  visit: Visit<unknown>,
  onError: OnError | undefined,
): void {
  const waiting = new WaitingResponse(res, visit, onError);
  if (WAITING in res) waiting.standBefore();
  else waiting.stand();
  visit.session.whenUsed(waiting);
}

const WAITING: unique symbol = Symbol("latchkey");

interface Waiting extends ServerResponse {
  [WAITING]: WaitingResponse;
}

/**
 * The same four functions for all responses: four of each response's own are 460 bytes of garbage more
 * and a twelfth of what a session adds. All four from the start: `res.end(session.data.name)` takes hold
 * of `end` before it looks at the session.
 */
const OURS = {
  writeHead(this: Waiting, ...args: unknown[]) {
    return this[WAITING].writeHead(args);
  },
  flushHeaders(this: Waiting) {
    return this[WAITING].send("flushHeaders", []);
  },
  write(this: Waiting, ...args: unknown[]) {
    return this[WAITING].send("write", args);
  },
  end(this: Waiting, ...args: unknown[]) {
    return this[WAITING].send("end", args);
  },
};

class WaitingResponse {
  readonly #res: ServerResponse;
  readonly #visit: Visit<unknown>;
  readonly #onError: OnError | undefined;
  /** What was there before us: middleware that comes later, such as compression, wraps ours. */
  readonly #own: Methods;
  #ours: Methods = OURS;
  #isSealed = false;
  #held: HeldResponse | undefined;

  constructor(res: ServerResponse, visit: Visit<unknown>, onError: OnError | undefined) {
    this.#res = res;
    this.#visit = visit;
    this.#onError = onError;
    const { writeHead, flushHeaders, write, end } = res;
    this.#own = { writeHead, flushHeaders, write, end };
  }

  stand(): void {
    const res = this.#res as Waiting;
    res[WAITING] = this;
    res.writeHead = OURS.writeHead as typeof res.writeHead;
    res.flushHeaders = OURS.flushHeaders as typeof res.flushHeaders;
    res.write = OURS.write as typeof res.write;
    res.end = OURS.end as typeof res.end;
  }

  /** The sessions of another manager stand there already. */
  standBefore(): void {
    this.#ours = {
      writeHead: (...args: unknown[]) => this.writeHead(args),
      flushHeaders: () => this.send("flushHeaders", []),
      write: (...args: unknown[]) => this.send("write", args),
      end: (...args: unknown[]) => this.send("end", args),
    };
    Object.assign(this.#res, this.#ours);
  }

  writeHead(args: unknown[]): unknown {
    if (this.#held !== undefined) return this.#held.call("writeHead", args);
    // Node calls it, too, when the head is due and nobody has.
    if (this.#isSealed) return Reflect.apply(this.#own.writeHead, this.#res, args);
    return takeHead(this.#res, args);
  }

  send(name: "flushHeaders" | "write" | "end", args: unknown[]): unknown {
    if (this.#held !== undefined) return this.#held.call(name, args);
    this.#isSealed = true;
    this.#visit.seal();
    return Reflect.apply(this.#own[name], this.#res, args);
  }

  /** From now on there may be something to save. */
  used(): void {
    const res = this.#res;
    if (!this.#isSealed) {
      this.#held = new HeldResponse(res, this.#visit, this.#own, this.#ours, this.#onError);
    }
    res.on("close", () => {
      const isSent = this.#held?.isSent ?? true;
      if (isSent && res.writableEnded) this.#visit.finish(res.statusCode);
    });
  }
}
