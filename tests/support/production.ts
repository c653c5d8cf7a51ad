/** The built production server, asked as its TLS proxy asks it. */
import { PUBLIC_ORIGIN, productionEnv, secret } from "./production-env.ts";
import type { Resp } from "./resp.ts";
import { startServer, type TestServer } from "./server.ts";

export interface Asked {
  readonly body?: unknown;
  /** As `x-session-id`. */
  readonly token?: string | undefined;
  /** As in a browser: the whole `Cookie` header, and what browsers say of themselves. */
  readonly cookie?: string | undefined;
  readonly isBrowser?: boolean;
  /** How the client speaks with the proxy. Default "https". */
  readonly proto?: "http" | "https";
  /** The client's address, as the proxy has seen it. */
  readonly from?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  /** As it came. */
  readonly text: string;
  /** Empty if it is no JSON object. */
  readonly body: Readonly<Record<string, unknown>>;
}

export const GOOD = "vogel mondlicht zahnrad";
export const BETTER = "kessel otter violine tau";
export const BAD = "nicht das richtige wort";

export class ProductionServer {
  readonly #url: string;
  readonly #server: TestServer | undefined;
  /** Its AUTH_SECRETS: a second server on the same Redis takes them too. */
  readonly ring: string;

  private constructor(url: string, ring: string, server: TestServer | undefined) {
    this.#url = url;
    this.ring = ring;
    this.#server = server;
  }

  static async start(
    redisUrl: string,
    { env = {} }: { readonly env?: Record<string, string> } = {},
  ): Promise<ProductionServer> {
    const own = { AUTH_SECRETS: `k1:${secret()}`, TRUST_PROXY: "127.0.0.1", ...env };
    const server = await startServer({ env: { ...productionEnv(redisUrl), ...own } });
    return new ProductionServer(server.url, own.AUTH_SECRETS, server);
  }

  /** One that runs in the process of the test. */
  static at(url: string): ProductionServer {
    return new ProductionServer(url, "", undefined);
  }

  /** Its process. */
  get server(): TestServer {
    if (this.#server === undefined) throw new Error("this server is no process of its own");
    return this.#server;
  }

  async ask(method: string, path: string, asked: Asked = {}): Promise<Answered> {
    const { body, token, cookie, isBrowser, proto = "https", from = "192.0.2.7" } = asked;
    const response = await fetch(this.#url + path, {
      method,
      headers: {
        "x-forwarded-for": from,
        "x-forwarded-proto": proto,
        "x-forwarded-host": new URL(PUBLIC_ORIGIN).host,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(token === undefined ? {} : { "x-session-id": token }),
        ...(cookie === undefined ? {} : { cookie }),
        ...(isBrowser ? { "sec-fetch-site": "same-origin", origin: PUBLIC_ORIGIN } : {}),
        ...asked.headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const parsed: unknown = text.startsWith("{") ? JSON.parse(text) : {};
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: { ...Object(parsed) },
    };
  }

  /** The one that was printed at the start; waits for it. */
  enrolmentToken(): string {
    const token = /POST \/auth\/enrol, token ([\w-]{32})$/m.exec(this.server.output())?.[1];
    if (token === undefined) throw new Error("no enrolment token was printed");
    return token;
  }

  async register(username: string, password = GOOD): Promise<void> {
    const made = await this.ask("POST", "/auth/register", { body: { username, password } });
    if (made.status !== 201) throw new Error(`not registered: ${made.status} ${made.text}`);
  }

  /** Undefined fields: as a client that is no browser. */
  logIn(username: string, password = GOOD, asked: Asked = {}): Promise<Answered> {
    return this.ask("POST", "/auth/login", { ...asked, body: { username, password } });
  }

  /** A session for a header. */
  async token(username: string, password = GOOD): Promise<string> {
    const answer = await this.logIn(username, password);
    if (answer.status !== 200) throw new Error(`no login: ${answer.status} ${answer.text}`);
    return String(answer.body["token"]);
  }

  /** A session for a cookie: the `Cookie` header that a browser sends from then on. */
  async cookies(username: string, password = GOOD): Promise<string> {
    return cookiesOf(await this.logIn(username, password, { isBrowser: true }));
  }

  profileStatus(token: string): Promise<number> {
    return this.ask("GET", "/profile", { token }).then(({ status }) => status);
  }
}

/** What a browser sends after this answer. */
export function cookiesOf({ headers }: Answered): string {
  return headers
    .getSetCookie()
    .map((line) => line.split(";")[0])
    .join("; ");
}

/** Names of problem documents: two answers are alike if all but the request id is. */
export function withoutRequestId({ status, headers, text, body }: Answered): unknown {
  const id = String(body["requestId"]);
  const kept = [...headers].filter(([name]) => !["date", "x-request-id"].includes(name));
  return { status, headers: kept, text: text.replace(id, "<id>") };
}

/** Attempts of one test are not held against the next. */
export async function forgetAttempts(resp: Resp): Promise<void> {
  const keys = await resp.command("KEYS", "{rl:*");
  for (const key of Array.isArray(keys) ? keys : []) await resp.command("DEL", String(key));
}
