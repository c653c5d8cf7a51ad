/** One exchange of Web `Request` and `Response`: as the core sees it, and what leaves in the end. */
import type { HttpExchange } from "../core/exchange.ts";
import { problem, type Refusal } from "../core/refusal.ts";

export function problemResponse(refusal: Refusal): Response {
  const { body, ...init } = problem(refusal);
  return new Response(body, init);
}

/**
 * What leaves instead of the handler's answer: a copy, because the headers of a redirect, or of what
 * fetch() gave, cannot be changed. Undefined: an upgrade, or no answer at all. Neither has a head to
 * add to, nor can it be copied.
 */
export async function outgoingOf(
  answer: Response,
  refusal: Refusal | undefined,
): Promise<Response | undefined> {
  if (refusal === undefined)
    return answer.status < 200 ? undefined : new Response(answer.body, answer);
  // Whatever fills it would wait for a reader for ever.
  await answer.body?.cancel();
  return problemResponse(refusal);
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
