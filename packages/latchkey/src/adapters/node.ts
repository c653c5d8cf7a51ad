/** Sessions for `node:http`. The adapters for Node's own responses stand on this one. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { SessionManager } from "../core/manager.ts";
import { type FreshOptions, type Refusal, refuseArguments, requires } from "../core/refusal.ts";
import type { Session } from "../core/session.ts";
import type { OpenOptions } from "../core/visit.ts";
import { sendProblem } from "./node-head.ts";
import { nodeExchange, openerOf } from "./node-visit.ts";

export { nodeExchange, sendProblem };

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
  const open = openerOf(sessions, options);
  return async (req, res, onError) => open(req, res, onError);
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
