/** What the core needs of one HTTP exchange. Adapters translate their framework into this. */

export interface HttpExchange {
  /** Each occurrence of a request header, in order; empty if there is none. `name` in lower case. */
  headers(name: string): readonly string[];
  /** Adds one `Set-Cookie` line to the response, beside those that are there. */
  setCookie(line: string): void;
  /** Marks the response as depending on the session: `no-store`, and `Vary` merged. */
  markPrivate(vary: readonly string[]): void;
}
