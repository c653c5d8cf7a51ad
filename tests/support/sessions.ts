/** A manager on a memory store with a clock to move, and requests without a server. */
import {
  createSessions,
  type HttpExchange,
  type SessionEvent,
  type SessionManager,
  type SessionsOptions,
} from "latchkey";
import { memoryStore } from "latchkey/memory";
import { ManualClock } from "latchkey/testing";

export function open<Data = Record<string, unknown>>(options: Partial<SessionsOptions<Data>> = {}) {
  const clock = new ManualClock();
  const events: SessionEvent[] = [];
  const store = memoryStore({ clock });
  const onEvent = (event: SessionEvent): number => events.push(event);
  return { clock, events, store, sessions: createSessions<Data>({ onEvent, ...options, store }) };
}

export async function logIn<Data>(sessions: SessionManager<Data>, user: string) {
  return (await sessions.open(exchange({}))).login(user);
}

export function cookieOf({
  cookies,
}: {
  readonly cookies: readonly string[];
}): Record<string, string> {
  return { cookie: (cookies.at(-1) ?? "").split(";")[0] ?? "" };
}

/** A request with these headers, and the header of its response; `cookies` are the lines it sets. */
export function exchange(
  headers: Readonly<Record<string, string>>,
  { method = "GET", scheme = "https" }: { method?: string; scheme?: "http" | "https" } = {},
) {
  const answer: Record<string, readonly string[]> = {};
  const port: HttpExchange = {
    method,
    scheme,
    headers: (name) => (headers[name] === undefined ? [] : [headers[name]]),
    responseHeader: (name) => answer[name.toLowerCase()] ?? [],
    setResponseHeader: (name, lines) => {
      answer[name.toLowerCase()] = lines;
    },
  };
  return {
    ...port,
    answer,
    get cookies() {
      return answer["set-cookie"] ?? [];
    },
  };
}
