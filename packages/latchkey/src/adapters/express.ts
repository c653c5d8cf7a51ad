/** Sessions for Express 5. */
import type { Request, RequestHandler, Response } from "express";
import type { SessionManager } from "../core/manager.ts";
import type { Session } from "../core/session.ts";
import { nodeSessions } from "./node.ts";

declare global {
  namespace Express {
    interface Request {
      /** The session of this request. Only behind `expressSessions`. */
      session: Session;
    }
  }
}

/** Puts `req.session` on each request that passes. Mount it where sessions are needed. */
export function expressSessions<Data>(sessions: SessionManager<Data>): RequestHandler {
  const open = nodeSessions(sessions);
  return async function openSession(req, res, next) {
    // Express has one type for all requests; `sessions.open(nodeExchange(req, res))` is the typed way.
    req.session = (await open(req, res)) as Session;
    next();
  };
}

/** Why a request was not let through, in the words of the problem document that says so. */
export interface Refusal {
  readonly status: 401 | 503;
  readonly code: "invalid_session" | "store_unavailable";
  readonly title: string;
}

/** Lets only logged-in requests pass; others get an RFC 9457 problem: 401, or 503 if unknown. */
export function requireSession({
  refuse = sendProblem,
}: {
  /** Answers a refused request; default: a problem+json body. */
  readonly refuse?: (req: Request, res: Response, refusal: Refusal) => void;
} = {}): RequestHandler {
  return function checkSession(req, res, next) {
    if (req.session === undefined) throw new Error("mount expressSessions before requireSession");
    if (req.session.status === "unknown") {
      const title = "Sessions cannot be checked right now";
      refuse(req, res, { status: 503, code: "store_unavailable", title });
    } else if (req.session.user === undefined) {
      refuse(req, res, { status: 401, code: "invalid_session", title: "Invalid session" });
    } else next();
  };
}

function sendProblem(_req: Request, res: Response, { status, code, title }: Refusal): void {
  if (status === 503) res.set("Retry-After", "1");
  if (status === 401) res.set("WWW-Authenticate", "Session");
  res.status(status).type("application/problem+json").json({ title, status, code, message: title });
}
