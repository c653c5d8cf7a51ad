/** Sessions for Express 5. */
import type { Request, RequestHandler, Response } from "express";
import type { SessionManager } from "../core/manager.ts";
import {
  type FreshOptions,
  type Judge,
  type Refusal,
  refuseOf,
  requires,
} from "../core/refusal.ts";
import type { Session } from "../core/session.ts";
import type { OpenOptions } from "../core/visit.ts";
import { sendProblem } from "./node-head.ts";
import { openerOf, whenOpened } from "./node-visit.ts";

export type { Refusal };

declare global {
  namespace Express {
    interface Request {
      /** The session of this request. Only behind `expressSessions`. */
      session: Session;
    }
  }
}

/** Puts `req.session` on each request that passes. Mount it where sessions are needed. */
export function expressSessions<Data>(
  sessions: SessionManager<Data>,
  options: OpenOptions = {},
): RequestHandler {
  const open = openerOf(sessions, options);
  return function openSession(req, res, next) {
    if (req.session !== undefined)
      throw new Error("req.session is taken: two session middlewares?");
    const opened = (session: Session<Data>): void => {
      // Express has one type for all requests; `sessionOf` knows the one of this manager.
      req.session = session as Session;
      next();
    };
    whenOpened(open(req, res, next), opened, next);
  };
}

/** `req.session`, typed as `sessions` has it: Express has one type for all its requests. */
export function sessionOf<Data>(_sessions: SessionManager<Data>, req: Request): Session<Data> {
  if (req.session === undefined) throw new Error("mount expressSessions before this handler");
  return req.session as Session<Data>;
}

export interface RequireOptions {
  /** Answers a refused request; default: a problem+json body. */
  readonly refuse?: (req: Request, res: Response, refusal: Refusal) => void;
}

/** Lets only logged-in requests pass; others get an RFC 9457 problem: 401, 403, or 503 if unknown. */
export function requireSession(options: RequireOptions = {}): RequestHandler {
  return guard(requires.session, refuseOf(options));
}

/** Lets only requests pass whose user logged in within `maxAge`; others get 403 `reauth_required`. */
export function requireFresh(options: FreshOptions & RequireOptions): RequestHandler {
  return guard(requires.fresh(options), refuseOf(options));
}

function guard(
  judge: Judge,
  refuse: RequireOptions["refuse"] = (_req, res, refusal) => sendProblem(res, refusal),
): RequestHandler {
  return function checkSession(req, res, next) {
    if (req.session === undefined) throw new Error("mount expressSessions before this handler");
    const refusal = judge(req.session);
    if (refusal === undefined) next();
    else refuse(req, res, refusal);
  };
}
