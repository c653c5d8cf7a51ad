/**
 * Sessions for handlers of Web `Request` and `Response`: Next.js route handlers, Bun, Deno, Workers.
 * Hono stands on this one.
 */
import type { HttpExchange } from "../core/exchange.ts";
import type { SessionManager } from "../core/manager.ts";
import { type FreshOptions, type Judge, problem, type Refusal, requires } from "../core/refusal.ts";
import type { Session } from "../core/session.ts";
import { checkOpen, type OpenOptions } from "../core/visit.ts";

export type { Refusal };

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
      // An upgrade, or no answer at all: neither has a head to add to, nor can it be copied.
      if (refusal === undefined && answer.status < 200) return answer;
      // Whatever fills it would wait for a reader for ever.
      if (refusal !== undefined) await answer.body?.cancel();
      const { status, statusText, headers, body } = refusal ? problemResponse(refusal) : answer;
      // A copy: the headers of a redirect, or of what fetch() gave, cannot be changed.
      head.headers = new Headers(headers);
      visit.seal();
      return new Response(body, { status, statusText, headers: head.headers });
    };
  };
}

/** Lets only logged-in requests pass. */
export const requireSession = (): Judge => requires.session;

/** Lets only requests pass whose user logged in within `maxAge`; others get 403 `reauth_required`. */
export const requireFresh: (options: FreshOptions) => Judge = requires.fresh;

export function problemResponse(refusal: Refusal): Response {
  const { body, ...init } = problem(refusal);
  return new Response(body, init);
}

/** @param head where the headers of the response are; until there is one, of none */
export function fetchExchange(request: Request, head: { readonly headers: Headers }): HttpExchange {
  const { protocol, host } = new URL(request.url);
  return {
    method: request.method,
    scheme: protocol === "https:" ? "https" : "http",
    // Duplicates come joined by ", ": that is no token either, so they are refused all the same.
    headers: (name) => [request.headers.get(name) ?? (name === "host" ? host : [])].flat(),
    responseHeader: (name) =>
      name === "set-cookie" ? head.headers.getSetCookie() : [head.headers.get(name) ?? []].flat(),
    setResponseHeader: (name, lines) => {
      head.headers.delete(name);
      for (const line of lines) head.headers.append(name, line);
    },
  };
}
