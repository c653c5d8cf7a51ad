/** The brief's requests as functions. */
import type { TestServer } from "./server.ts";

/** All that a request needs to know of a server. */
export type Reachable = Pick<TestServer, "url">;

/** The JSON object in a body; throws if it is none. */
export async function json(response: Response): Promise<Readonly<Record<string, unknown>>> {
  const body: unknown = await response.json();
  if (typeof body !== "object" || body === null) throw new Error(`no object: ${String(body)}`);
  return { ...body };
}

export function postLogin(
  { url }: Reachable,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return fetch(`${url}/auth/login`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}

/** Logs in and gives the session id. */
export async function login(server: Reachable, username: string): Promise<string> {
  return String((await json(await postLogin(server, { username })))["sessionId"]);
}

export function profile({ url }: Reachable, sessionId: string | undefined): Promise<Response> {
  return fetch(`${url}/profile`, { headers: credential(sessionId) });
}

export function logout({ url }: Reachable, sessionId: string | undefined): Promise<Response> {
  return fetch(`${url}/auth/logout`, { method: "POST", headers: credential(sessionId) });
}

export function credential(sessionId: string | undefined): Record<string, string> {
  return sessionId === undefined ? {} : { "x-session-id": sessionId };
}
