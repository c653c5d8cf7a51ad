/** Sessions for Koa 3. */
import type { DefaultState, Middleware, ParameterizedContext } from "koa";
import type { SessionManager } from "../core/manager.ts";
import { type FreshOptions, type Judge, problem, type Refusal, requires } from "../core/refusal.ts";
import type { Session } from "../core/session.ts";
import type { OpenOptions } from "../core/visit.ts";
import { nodeSessions } from "./node.ts";

export type { Refusal };

/** What the context holds behind `koaSessions`; inferred where the middleware is chained. */
export interface SessionContext<Data = Record<string, unknown>> {
  session: Session<Data>;
}

/** Puts `ctx.session` on each request that passes. */
export function koaSessions<Data>(
  sessions: SessionManager<Data>,
  options: OpenOptions = {},
): Middleware<DefaultState, SessionContext<Data>> {
  const open = nodeSessions(sessions, options);
  return async function openSession(ctx, next) {
    ctx.session = await open(ctx.req, ctx.res, (error) => ctx.onerror(Object(error)));
    await next();
  };
}

type Guard = Middleware<DefaultState, SessionContext<unknown>>;
type GuardedContext = ParameterizedContext<DefaultState, SessionContext<unknown>>;

export interface RequireOptions {
  /** Answers a refused request; default: a problem+json body. */
  readonly refuse?: (ctx: GuardedContext, refusal: Refusal) => unknown;
}

/** Lets only logged-in requests pass; others get an RFC 9457 problem: 401, 403, or 503 if unknown. */
export function requireSession({ refuse }: RequireOptions = {}): Guard {
  return guard(requires.session, refuse);
}

/** Lets only requests pass whose user logged in within `maxAge`; others get 403 `reauth_required`. */
export function requireFresh(options: FreshOptions & RequireOptions): Guard {
  return guard(requires.fresh(options), options.refuse);
}

function guard(judge: Judge, refuse: RequireOptions["refuse"] = answer): Guard {
  return async function checkSession(ctx, next) {
    if (ctx.session === undefined) throw new Error("mount koaSessions before this handler");
    const refusal = judge(ctx.session);
    if (refusal === undefined) await next();
    else await refuse(ctx, refusal);
  };
}

function answer(ctx: GuardedContext, refusal: Refusal): void {
  const { status, headers, body } = problem(refusal);
  ctx.status = status;
  ctx.set(headers);
  ctx.body = body;
}
