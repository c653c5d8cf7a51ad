/** A request of Node becomes a session: what the adapters on Node's responses stand on. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { HttpExchange } from "../core/exchange.ts";
import type { SessionManager } from "../core/manager.ts";
import type { Session } from "../core/session.ts";
import { checkOpen, type OpenOptions, type Visit } from "../core/visit.ts";
import type { OnError } from "./node-held.ts";
import { holdBack } from "./node-response.ts";

/** No promise where there is nothing to wait for: one costs as much as a check from memory. */
export type Opener<Data> = (
  req: IncomingMessage,
  res: ServerResponse,
  onError?: OnError,
) => Session<Data> | Promise<Session<Data>>;

export function openerOf<Data>(sessions: SessionManager<Data>, options: OpenOptions): Opener<Data> {
  checkOpen(sessions, options);
  return (req, res, onError) => {
    const visit = sessions.visit(nodeExchange(req, res), options);
    if (visit instanceof Promise) return visit.then((it) => begun(it, res, onError));
    return begun(visit, res, onError);
  };
}

/** Goes on at once where it can. */
export function whenOpened<Data>(
  session: Session<Data> | Promise<Session<Data>>,
  opened: (session: Session<Data>) => void,
  failed: (error: Error) => void,
): void {
  if (session instanceof Promise) session.then(opened, failed);
  else opened(session);
}

function begun<Data>(
  visit: Visit<Data>,
  res: ServerResponse,
  onError: OnError | undefined,
): Session<Data> {
  // An application's time limit may have answered meanwhile.
  if (res.headersSent) visit.close();
  else holdBack(res, visit, onError);
  return visit.session;
}

const NONE: readonly string[] = [];
const HOST = "host";
/** What HTTP/2 has in its place. */
const AUTHORITY = ":authority";

/** One request and its response as the core sees them. */
export function nodeExchange(req: IncomingMessage, res: ServerResponse): HttpExchange {
  return new NodeExchange(req, res);
}

class NodeExchange implements HttpExchange {
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;

  constructor(req: IncomingMessage, res: ServerResponse) {
    this.#req = req;
    this.#res = res;
  }

  get method(): string {
    return this.#req.method ?? "GET";
  }

  get scheme(): "http" | "https" {
    return "encrypted" in this.#req.socket ? "https" : "http";
  }

  headers(name: string): readonly string[] {
    if (name !== HOST) return this.#lines(name);
    const authority = this.#lines(AUTHORITY);
    return authority.length > 0 ? authority : this.#lines(HOST);
  }

  /**
   * As they came, line by line: `req.headers` joins duplicates to "a, b", and a duplicate must be seen
   * to be refused.
   */
  #lines(name: string): readonly string[] {
    const { rawHeaders } = this.#req;
    let lines: string[] | undefined;
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const field = rawHeaders[i];
      if (field?.length !== name.length || field.toLowerCase() !== name) continue;
      const line = rawHeaders[i + 1] ?? "";
      // To push onto an empty one would make room for seventeen.
      if (lines === undefined) lines = [line];
      else lines.push(line);
    }
    return lines ?? NONE;
  }

  responseHeader(name: string): readonly string[] {
    const value = this.#res.getHeader(name);
    if (value === undefined) return NONE;
    return typeof value === "string" ? [value] : [value].flat().map(String);
  }

  setResponseHeader(name: string, lines: readonly string[]): void {
    const [first = ""] = lines;
    this.#res.setHeader(name, lines.length === 1 ? first : lines);
  }
}
