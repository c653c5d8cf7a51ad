/** Sessions for `node:http`. The other adapters for Node's own requests stand on this one. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { HttpExchange } from "../core/exchange.ts";
import type { SessionManager } from "../core/manager.ts";
import { invalidOption } from "../core/options.ts";
import type { Session } from "../core/session.ts";

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
): (req: IncomingMessage, res: ServerResponse) => Promise<Session<Data>> {
  if (typeof sessions?.open !== "function") {
    throw invalidOption("sessions", "must come from createSessions");
  }
  return (req, res) => sessions.open(nodeExchange(req, res));
}

/** One request and its response as the core sees them. */
export function nodeExchange(req: IncomingMessage, res: ServerResponse): HttpExchange {
  return {
    // Not req.headers: that joins duplicates to "a, b", and a duplicate must be seen to be refused.
    headers: (name) => req.headersDistinct[name] ?? [],
    setCookie: (line) => {
      res.appendHeader("Set-Cookie", line);
    },
    markPrivate: (vary) => {
      res.setHeader("Cache-Control", "no-store");
      res.setHeader("Vary", mergeVary(res.getHeader("Vary"), vary));
    },
  };
}

function mergeVary(
  present: number | string | readonly string[] | undefined,
  more: readonly string[],
): string {
  const names = String(present ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean);
  const known = new Set(names.map((name) => name.toLowerCase()));
  return [...names, ...more.filter((name) => !known.has(name.toLowerCase()))].join(", ");
}
