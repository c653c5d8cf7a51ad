/** Sessions for Hono 4. */
import type { Context, MiddlewareHandler } from "hono";
import type { SessionManager } from "../core/manager.ts";
import {
  type FreshOptions,
  type Judge,
  type Refusal,
  refusalOfError,
  requires,
} from "../core/refusal.ts";
import type { Session } from "../core/session.ts";
import { checkOpen, type OpenOptions } from "../core/visit.ts";
import { fetchExchange, problemResponse } from "./fetch.ts";

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
    // An upgrade, or no answer at all: neither has a head to add to, nor can it be copied.
    if (refusal === undefined && c.res.status < 200) return;
    if (refusal !== undefined) await c.res.body?.cancel();
    replace(c, refusal ? problemResponse(refusal) : new Response(c.res.body, c.res));
    head.headers = c.res.headers;
    visit.seal();
  };
}

/** Without what Hono would take over from the response before. */
function replace(c: Context, response: Response): void {
  c.res = undefined;
  c.res = response;
}

export interface RequireOptions {
  /** Answers a refused request; default: a problem+json body. */
  readonly refuse?: (c: Context, refusal: Refusal) => Response | Promise<Response>;
}

/** Lets only logged-in requests pass; others get an RFC 9457 problem: 401, 403, or 503 if unknown. */
export function requireSession({ refuse }: RequireOptions = {}): MiddlewareHandler {
  return guard(requires.session, refuse);
}

/** Lets only requests pass whose user logged in within `maxAge`; others get 403 `reauth_required`. */
export function requireFresh(options: FreshOptions & RequireOptions): MiddlewareHandler {
  return guard(requires.fresh(options), options.refuse);
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
