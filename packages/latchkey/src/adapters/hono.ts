/** Sessions for Hono 4. */
import type { Context, MiddlewareHandler } from "hono";
import type { SessionManager } from "../core/manager.ts";
import {
  type FreshOptions,
  type Judge,
  type Refusal,
  refusalOfError,
  refuseOf,
  requires,
} from "../core/refusal.ts";
import type { Session } from "../core/session.ts";
import { checkOpen, type OpenOptions } from "../core/visit.ts";
import { fetchExchange, outgoingOf, problemResponse } from "./fetch-exchange.ts";

export type { Refusal };

/** What `c.var` holds behind `honoSessions`; Hono infers it where the middleware is chained. */
export interface SessionEnv<Data = Record<string, unknown>> {
  Variables: { session: Session<Data> };
}

/** Puts `c.var.session` on each request that passes. */
export function honoSessions<Data>(
  sessions: SessionManager<Data>,
  options: OpenOptions = {},
): MiddlewareHandler<SessionEnv<Data>> {
  checkOpen(sessions, options);
  return async function openSession(c, next) {
    const head = { headers: new Headers() };
    const visit = await sessions.visit(fetchExchange(c.req.raw, head), options);
    c.set("session", visit.session);
    await next();
    // An error of the session that nobody answered otherwise, such as "csrf", is no 500.
    const uncaught = c.res.status === 500 ? refusalOfError(c.error) : undefined;
    const refusal = uncaught ?? (await visit.settle(c.res.status));
    const outgoing = await outgoingOf(c.res, refusal);
    if (outgoing === undefined) return;
    // Without this, Hono would take headers of the response before over.
    c.res = undefined;
    c.res = outgoing;
    head.headers = c.res.headers;
    visit.seal();
  };
}

export interface RequireOptions {
  /** Answers a refused request; default: a problem+json body. */
  readonly refuse?: (c: Context, refusal: Refusal) => Response | Promise<Response>;
}

/** Lets only logged-in requests pass; others get an RFC 9457 problem: 401, 403, or 503 if unknown. */
export function requireSession(options: RequireOptions = {}): MiddlewareHandler {
  return guard(requires.session, refuseOf(options));
}

/** Lets only requests pass whose user logged in within `maxAge`; others get 403 `reauth_required`. */
export function requireFresh(options: FreshOptions & RequireOptions): MiddlewareHandler {
  return guard(requires.fresh(options), refuseOf(options));
}

function guard(
  judge: Judge,
  refuse: RequireOptions["refuse"] = (_c, refusal) => problemResponse(refusal),
): MiddlewareHandler {
  return async function checkSession(c, next) {
    const session: Session<unknown> | undefined = c.get("session");
    if (session === undefined) throw new Error("mount honoSessions before this handler");
    const refusal = judge(session);
    if (refusal !== undefined) return refuse(c, refusal);
    return next();
  };
}
