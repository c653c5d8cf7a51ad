/** Sessions for Fastify 5. */
import type {
  FastifyPluginAsync,
  FastifyReply,
  FastifyRequest,
  onRequestHookHandler,
} from "fastify";
import type { SessionManager } from "../core/manager.ts";
import {
  type FreshOptions,
  type Judge,
  problem,
  type Refusal,
  refuseOf,
  requires,
} from "../core/refusal.ts";
import type { Session } from "../core/session.ts";
import type { OpenOptions } from "../core/visit.ts";
import { openerOf, whenOpened } from "./node-visit.ts";

export type { Refusal };

declare module "fastify" {
  interface FastifyRequest {
    /** The session of this request. Only behind `fastifySessions`. */
    session: Session;
  }
}

/** A plugin that puts `request.session` on each request of the instance it is registered on. */
export function fastifySessions<Data>(
  sessions: SessionManager<Data>,
  options: OpenOptions = {},
): FastifyPluginAsync {
  const open = openerOf(sessions, options);
  const plugin: FastifyPluginAsync = async (app) => {
    // Fastify makes its requests with what it knows of; what is added later costs each of them.
    if (!app.hasRequestDecorator("session")) app.decorateRequest("session");
    // Not onSend: that does not see a hijacked reply, nor what a Response for a body says of the head.
    app.addHook("onRequest", (request, reply, done) => {
      const opened = (session: Session<Data>): void => {
        // Fastify has one type for all requests; `sessionOf` knows the one of this manager.
        request.session = session as Session;
        done();
      };
      whenOpened(open(request.raw, reply.raw), opened, done);
    });
  };
  // Not encapsulated, as of fastify-plugin: routes beside the plugin have sessions too.
  return Object.assign(plugin, { [Symbol.for("skip-override")]: true });
}

/** `request.session`, typed as `sessions` has it: Fastify has one type for all its requests. */
export function sessionOf<Data>(_: SessionManager<Data>, request: FastifyRequest): Session<Data> {
  if (request.session === undefined) throw new Error("register fastifySessions before this route");
  return request.session as Session<Data>;
}

export interface RequireOptions {
  /** Answers a refused request with what it returns; default: a problem+json body. */
  readonly refuse?: (request: FastifyRequest, reply: FastifyReply, refusal: Refusal) => unknown;
}

/** A hook: lets only logged-in requests pass; others get a problem: 401, 403, or 503 if unknown. */
export function requireSession(options: RequireOptions = {}): onRequestHookHandler {
  return guard(requires.session, refuseOf(options));
}

/** A hook: the user must have logged in within `maxAge`; others get 403 `reauth_required`. */
export function requireFresh(options: FreshOptions & RequireOptions): onRequestHookHandler {
  return guard(requires.fresh(options), refuseOf(options));
}

function guard(judge: Judge, refuse: RequireOptions["refuse"] = answer): onRequestHookHandler {
  return (request, reply, done) => {
    if (request.session === undefined)
      throw new Error("register fastifySessions before this route");
    const refusal = judge(request.session);
    if (refusal === undefined) return done();
    // Not done: then the route would run.
    const sent = async (): Promise<unknown> => reply.send(await refuse(request, reply, refusal));
    sent().catch(done);
  };
}

function answer(_request: FastifyRequest, reply: FastifyReply, refusal: Refusal): string {
  const { status, headers, body } = problem(refusal);
  reply.code(status).headers(headers);
  return body;
}
