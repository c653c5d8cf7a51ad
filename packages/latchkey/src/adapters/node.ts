/**
 * Sessions for `node:http`. The adapters for Node's own responses stand on this one.
 *
 * The one clever thing of this folder: `res.end` is synchronous and a store is not, so the response is
 * held back. From the first call that would send the head until the session is saved, what the handler
 * writes waits in a queue; then it goes out, or a problem document in its place.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { HttpExchange } from "../core/exchange.ts";
import type { SessionManager } from "../core/manager.ts";
import {
  type FreshOptions,
  internalError,
  problem,
  type Refusal,
  requires,
} from "../core/refusal.ts";
import type { Session } from "../core/session.ts";
import type { OpenOptions, Visit } from "../core/visit.ts";

/** @param onError hears errors of the handler's own, such as data that the schema refuses; default: 500 */
export type OpenSession<Data> = (
  req: IncomingMessage,
  res: ServerResponse,
  onError?: (error: unknown) => void,
) => Promise<Session<Data>>;

/**
 * @example
 * const open = nodeSessions(sessions);
 * createServer(async (req, res) => {
 *   const session = await open(req, res);
 *   if (session.status === "unknown") res.writeHead(503).end();
 *   else res.end(session.user ?? "nobody");
 * });
 */
export function nodeSessions<Data>(
  sessions: SessionManager<Data>,
  options: OpenOptions = {},
): OpenSession<Data> {
  return async (req, res, onError = () => sendProblem(res, internalError())) => {
    const visit = await sessions.visit(nodeExchange(req, res), options);
    holdBack(res, visit, onError);
    return visit.session;
  };
}

/** Whether the request may go on; if not, it is answered: 401, 403 or 503. */
export type Guard = (session: Session<unknown>, res: ServerResponse) => boolean;

/** Lets only logged-in requests pass. */
export function requireSession(): Guard {
  return (session, res) => isLetIn(res, requires.session(session));
}

/** Lets only requests pass whose user logged in within `maxAge`; others get 403 `reauth_required`. */
export function requireFresh(options: FreshOptions): Guard {
  const judge = requires.fresh(options);
  return (session, res) => isLetIn(res, judge(session));
}

function isLetIn(res: ServerResponse, refusal: Refusal | undefined): boolean {
  if (refusal !== undefined) sendProblem(res, refusal);
  return refusal === undefined;
}

/** Answers with a problem document; what a handler said of another body is taken back. */
export function sendProblem(res: ServerResponse, refusal: Refusal): void {
  const { status, headers, body } = problem(refusal);
  for (const name of res.getHeaderNames()) if (OF_A_BODY.test(name)) res.removeHeader(name);
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
  res.statusCode = status;
  res.end(body);
}

const OF_A_BODY = /^(content-(?!security).*|transfer-encoding|etag|last-modified|location)$/;

/** One request and its response as the core sees them. */
export function nodeExchange(req: IncomingMessage, res: ServerResponse): HttpExchange {
  return {
    method: req.method ?? "GET",
    scheme: "encrypted" in req.socket ? "https" : "http",
    // Not req.headers: that joins duplicates to "a, b", and a duplicate must be seen to be refused.
    headers: (name) =>
      req.rawHeaders.filter((_, i, raw) => i % 2 === 1 && raw[i - 1]?.toLowerCase() === name),
    responseHeader: (name) => [res.getHeader(name) ?? []].flat().map(String),
    setResponseHeader: (name, lines) =>
      void res.setHeader(name, lines.length === 1 ? String(lines) : lines),
  };
}

const HELD = ["writeHead", "flushHeaders", "write", "end"] as const;

type OnError = (error: unknown) => void;

function holdBack(res: ServerResponse, visit: Visit<unknown>, onError: OnError): void {
  let state: "open" | "held" | "sent" | "dropped" = "open";
  const queue: (() => unknown)[] = [];
  const release = (): void => {
    visit.seal();
    state = "sent";
  };
  const settle = async (): Promise<void> => {
    try {
      const refusal = await visit.settle(res.statusCode);
      release();
      if (refusal !== undefined) {
        sendProblem(res, refusal);
        state = "dropped";
      }
      for (const again of queue) again();
      // Whoever was told to wait with the next chunk may go on.
      res.emit("drain");
    } catch (error) {
      release();
      visit.failed(error);
      if (res.headersSent) res.destroy();
      else onError(error);
    }
  };
  for (const name of HELD) {
    const original: (...args: never[]) => unknown = res[name];
    const held = (...args: unknown[]): unknown => {
      if (state === "dropped") return swallow(res, args);
      if (name === "writeHead" && state !== "sent") return takeHead(res, args);
      if (state === "open" && visit.isSettled(res.statusCode)) release();
      if (state === "sent") {
        if (name === "end") visit.finish(res.statusCode);
        return Reflect.apply(original, res, args);
      }
      queue.push(() => held(...args));
      if (state === "open") void settle();
      state = "held";
      return name === "write" ? false : res;
    };
    Object.defineProperty(res, name, { value: held, writable: true, configurable: true });
  }
}

/** What `writeHead` would send becomes what `res` is set to, so that the session's own can be added. */
function takeHead(res: ServerResponse, [status, ...rest]: readonly unknown[]): ServerResponse {
  res.statusCode = Number(status);
  if (typeof rest[0] === "string") res.statusMessage = rest[0];
  const headers = rest.find((item) => typeof item === "object") ?? {};
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

/** What a handler still writes to a response that another took the place of. */
function swallow(res: ServerResponse, args: readonly unknown[]): unknown {
  for (const callback of args) if (typeof callback === "function") callback();
  return res;
}
