/**
 * A response of Node that waits for its session: the one clever thing of this folder.
 *
 * `res.end` is synchronous and a store is not, so the response is held back. From the first call that
 * would send the head until the session is saved, what the handler writes waits in a queue; then it
 * goes out, or a problem document in its place. To the handler it looks as if the head had left.
 */
import type { ServerResponse } from "node:http";
import { internalError, problem, type Refusal } from "../core/refusal.ts";
import type { Visit } from "../core/visit.ts";

const HELD = ["writeHead", "flushHeaders", "write", "end"] as const;

/**
 * - open: nothing was written, and what `writeHead` says is only noted
 * - held: the head is due and the session is being saved; ended: the handler is done, too
 * - failed: it could not be saved, and what answers that is still to come
 * - sent: what comes goes out; dropped: another response took the place of the handler's
 */
type State = "open" | "held" | "ended" | "failed" | "sent" | "dropped";

/** @param onError hears errors of the handler's own; the response is still to be made */
export function holdBack(
  res: ServerResponse,
  visit: Visit<unknown>,
  onError: (error: unknown) => void,
): void {
  let state: State = "open";
  let hasFailed = false;
  let heldBytes = 0;
  // What was there before us: middleware that comes later, such as compression, wraps ours.
  const own = { writeHead: res.writeHead, end: res.end };
  const queue: (() => unknown)[] = [];
  const isDue = (): boolean => state === "held" || state === "ended" || isHeadSent(res);
  const release = (head?: ResponseHead): void => {
    if (head !== undefined) restore(res, head);
    visit.seal();
    state = "sent";
  };
  /** Past all wrappers: one that has compressed the handler's body would add ours to it. */
  const replace = (refusal: Refusal): void => {
    const body = headOfProblem(res, refusal);
    // Else it would be chunked, and have whatever trailers the handler has added.
    res.setHeader("Content-Length", Buffer.byteLength(body));
    Reflect.apply(own.writeHead, res, [res.statusCode]);
    Reflect.apply(own.end, res, [body]);
    state = "dropped";
  };
  const settle = async (): Promise<void> => {
    const head = headOf(res);
    try {
      const refusal = await visit.settle(head.status);
      release(head);
      if (refusal !== undefined) replace(refusal);
      for (const again of queue) again();
      // Whoever was told to wait with the next chunk may go on.
      res.emit("drain");
    } catch (error) {
      visit.failed(error);
      if (isHeadSent(res)) return void res.destroy();
      restore(res, head);
      hasFailed = true;
      // A handler that is not done would write on behind the answer to its error; and a wrapper, such as
      // compression, holds parts of its body already.
      const isAlone = state === "ended" && HELD.every((name) => res[name] === held[name]);
      state = "failed";
      if (isAlone) onError(error);
      else replace(internalError());
    }
  };
  const held: Partial<Record<keyof ServerResponse, unknown>> = {};
  for (const name of HELD) {
    const original: (...args: never[]) => unknown = res[name];
    const ours = (...args: unknown[]): unknown => {
      const isOver = state === "ended" || state === "dropped" || (hasFailed && res.writableEnded);
      if (isOver) return swallow(res, args);
      if (name === "writeHead" && state === "held") throw headersSent();
      if (name === "writeHead" && state !== "sent") return takeHead(res, args);
      if (state === "failed" || (state === "open" && visit.isSettled(res.statusCode))) release();
      if (state === "sent") return Reflect.apply(original, res, args);
      queue.push(() => ours(...args));
      if (state === "open") {
        Object.defineProperty(res, "headersSent", { get: isDue, configurable: true });
        void settle();
      }
      state = name === "end" ? "ended" : "held";
      if (name !== "write") return res;
      // False from the start would make a pipe wait for "drain", and compression, where it comes before
      // us, takes that event for its own.
      heldBytes += Buffer.byteLength(chunkOf(args));
      return heldBytes < res.writableHighWaterMark;
    };
    held[name] = ours;
  }
  Object.assign(res, held);
  res.on("close", () => {
    if (state === "sent" && !hasFailed && res.writableEnded) visit.finish(res.statusCode);
  });
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

/** Answers with a problem document; what a handler said of another body is taken back. */
export function sendProblem(res: ServerResponse, refusal: Refusal): void {
  res.end(headOfProblem(res, refusal));
}

/** Makes the head that of a problem; returns its body. */
function headOfProblem(res: ServerResponse, refusal: Refusal): string {
  const { status, headers, body } = problem(refusal);
  for (const name of res.getHeaderNames()) if (OF_A_BODY.test(name)) res.removeHeader(name);
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
  res.statusCode = status;
  // Its reason phrase is of the status before. HTTP/2 has none, and warns of whoever looks.
  if (Object.hasOwn(res, "statusMessage")) res.statusMessage = "";
  return body;
}

const OF_A_BODY =
  /^(content-(?!security).*|transfer-encoding|trailer|etag|last-modified|location)$/;

/** What `writeHead` would send becomes what `res` is set to, so that the session's own can be added. */
function takeHead(res: ServerResponse, [status, ...rest]: readonly unknown[]): ServerResponse {
  res.statusCode = Number(status);
  if (typeof rest[0] === "string") res.statusMessage = rest[0];
  const headers = rest.find((item) => typeof item === "object" && item !== null) ?? {};
  // [[name, value], …], or [name, value, …], or { name: value, … }.
  const list = Array.isArray(headers)
    ? headers.flat(Array.isArray(headers[0]) ? 1 : 0)
    : Object.entries(headers).flat();
  for (let i = 0; i < list.length; i += 2) res.removeHeader(String(list[i]));
  for (let i = 0; i < list.length; i += 2) {
    res.appendHeader(String(list[i]), [list[i + 1] ?? []].flat().map(String));
  }
  return res;
}

function chunkOf([chunk]: readonly unknown[]): string | Uint8Array {
  return typeof chunk === "string" || chunk instanceof Uint8Array ? chunk : "";
}

/** What a handler still writes to a response that another took the place of. */
function swallow(res: ServerResponse, args: readonly unknown[]): unknown {
  for (const callback of args) if (typeof callback === "function") callback();
  return res;
}
