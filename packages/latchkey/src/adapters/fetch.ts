/**
 * Sessions for handlers of Web `Request` and `Response`: Next.js route handlers, Bun, Deno, Workers.
 * Hono stands on this one.
 */
import type { SessionManager } from "../core/manager.ts";
import {
  type FreshOptions,
  type Judge,
  type Refusal,
  refuseArguments,
  requires,
} from "../core/refusal.ts";
import type { Session } from "../core/session.ts";
import { checkOpen, type OpenOptions } from "../core/visit.ts";
import { fetchExchange, outgoingOf, problemResponse } from "./fetch-exchange.ts";

export type { Refusal };
export { fetchExchange, problemResponse };

/** @param rest what the framework passes on besides, such as the `params` of Next.js */
export type SessionHandler<Data, Rest extends unknown[]> = (
  request: Request,
  session: Session<Data>,
  ...rest: Rest
) => Response | Promise<Response>;

/** Takes what a request must fulfil, and last its handler. */
export type WithSession<Data> = <Rest extends unknown[]>(
  ...steps: [...Judge[], SessionHandler<Data, Rest>]
) => (request: Request, ...rest: Rest) => Promise<Response>;

/**
 * @example
 * const withSession = fetchSessions(sessions);
 * export const GET = withSession(requireSession(), (_request, session) =>
 *   Response.json({ user: session.user }),
 * );
 */
export function fetchSessions<Data>(
  sessions: SessionManager<Data>,
  options: OpenOptions = {},
): WithSession<Data> {
  checkOpen(sessions, options);
  return <Rest extends unknown[]>(...steps: [...Judge[], SessionHandler<Data, Rest>]) => {
    const judges = steps.slice(0, -1) as Judge[];
    const [handler] = steps.slice(-1) as [SessionHandler<Data, Rest>];
    return async (request: Request, ...rest: Rest) => {
      const head = { headers: new Headers() };
      const visit = await sessions.visit(fetchExchange(request, head), options);
      const [refused] = judges.flatMap((judge) => judge(visit.session) ?? []);
      const run = async (): Promise<Response> => handler(request, visit.session, ...rest);
      const answer = refused
        ? problemResponse(refused)
        : await run().catch((error) => problemResponse(visit.refusalOf(error)));
      const refusal = await visit.settle(answer.status);
      const outgoing = await outgoingOf(answer, refusal);
      if (outgoing === undefined) return answer;
      head.headers = outgoing.headers;
      visit.seal();
      return outgoing;
    };
  };
}

/** Lets only logged-in requests pass. */
export function requireSession(...none: readonly never[]): Judge {
  refuseArguments(none);
  return requires.session;
}

/** Lets only requests pass whose user logged in within `maxAge`; others get 403 `reauth_required`. */
export const requireFresh: (options: FreshOptions) => Judge = requires.fresh;
