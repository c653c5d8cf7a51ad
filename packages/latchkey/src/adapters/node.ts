/** Sessions for `node:http`. The adapters for Node's own responses stand on this one. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { HttpExchange } from "../core/exchange.ts";
import type { SessionManager } from "../core/manager.ts";
import {
  type FreshOptions,
  internalError,
  type Refusal,
  refuseArguments,
  requires,
} from "../core/refusal.ts";
import type { Session } from "../core/session.ts";
import { checkOpen, type OpenOptions } from "../core/visit.ts";
import { holdBack, sendProblem } from "./node-response.ts";

export { sendProblem };

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
  checkOpen(sessions, options);
  return async (req, res, onError = () => sendProblem(res, internalError())) => {
    const visit = await sessions.visit(nodeExchange(req, res), options);
    // An application's time limit may have answered meanwhile.
    if (res.headersSent) visit.close();
    else holdBack(res, visit, onError);
    return visit.session;
  };
}

/** Whether the request may go on; if not, it is answered: 401, 403 or 503. */
export type Guard = (session: Session<unknown>, res: ServerResponse) => boolean;

/** Lets only logged-in requests pass. */
export function requireSession(...none: readonly never[]): Guard {
  refuseArguments(none);
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

const NONE: readonly string[] = [];
const AUTHORITY = ":authority";

/** One request and its response as the core sees them. */
export function nodeExchange(req: IncomingMessage, res: ServerResponse): HttpExchange {
  // Not req.headers: that joins duplicates to "a, b", and a duplicate must be seen to be refused.
  const lines = (name: string): readonly string[] =>
    req.headers[name] === undefined
      ? NONE
      : req.rawHeaders.filter((_, i, raw) => i % 2 === 1 && raw[i - 1]?.toLowerCase() === name);
  return {
    method: req.method ?? "GET",
    scheme: "encrypted" in req.socket ? "https" : "http",
    // HTTP/2 has another name for it.
    headers: (name) =>
      name === "host" && AUTHORITY in req.headers ? lines(AUTHORITY) : lines(name),
    responseHeader: (name) => {
      const value = res.getHeader(name);
      if (value === undefined) return NONE;
      return typeof value === "string" ? [value] : [value].flat().map(String);
    },
    setResponseHeader: (name, values) =>
      void res.setHeader(name, values.length === 1 ? String(values) : values),
  };
}
