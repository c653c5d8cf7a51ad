/** What the core needs of one HTTP exchange. Adapters translate their framework into this. */

export interface HttpExchange {
  /** `GET`, `POST`, …: as the request has it. */
  readonly method: string;
  /** How the request came to this process: "http" also behind a proxy that speaks TLS itself. */
  readonly scheme: "http" | "https";
  /** Each occurrence of a request header, in order; empty if there is none. `name` in lower case. */
  headers(name: string): readonly string[];
  /** The lines of a response header as they stand now; empty if there is none. */
  responseHeader(name: string): readonly string[];
  /** Puts these lines in place of all that the response header has. */
  setResponseHeader(name: string, lines: readonly string[]): void;
}
