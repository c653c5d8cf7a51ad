/** Sessions for Fastify 5. */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from "fastify";
import type { SessionManager } from "../core/manager.ts";
import { type FreshOptions, type Judge, problem, type Refusal, requires } from "../core/refusal.ts";
import type { Session } from "../core/session.ts";
import type { OpenOptions } from "../core/visit.ts";
import { nodeSessions } from "./node.ts";

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
  const open = nodeSessions(sessions, options);
  const plugin: FastifyPluginAsync = async (app) => {
    // Not onSend: that does not see a hijacked reply, nor what a Response for a body says of the head.
    app.addHook("onRequest", async (request, reply) => {
      // Fastify has one type for all requests; `sessionOf` knows the one of this manager.
      request.session = (await open(request.raw, reply.raw)) as Session;
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

type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

export interface RequireOptions {
  /** Answers a refused request with what it returns; default: a problem+json body. */
  readonly refuse?: (request: FastifyRequest, reply: FastifyReply, refusal: Refusal) => unknown;
}

/** A hook: lets only logged-in requests pass; others get a problem: 401, 403, or 503 if unknown. */
export function requireSession({ refuse }: RequireOptions = {}): Hook {
  return guard(requires.session, refuse);
}

/** A hook: the user must have logged in within `maxAge`; others get 403 `reauth_required`. */
export function requireFresh(options: FreshOptions & RequireOptions): Hook {
  return guard(requires.fresh(options), options.refuse);
}

function guard(judge: Judge, refuse: RequireOptions["refuse"] = answer): Hook {
  return async (request, reply) => {
    if (request.session === undefined)
      throw new Error("register fastifySessions before this route");
    const refusal = judge(request.session);
    return refusal && reply.send(await refuse(request, reply, refusal));
  };
}

function answer(_request: FastifyRequest, reply: FastifyReply, refusal: Refusal): string {
  const { status, headers, body } = problem(refusal);
  reply.code(status).headers(headers);
  return body;
}
