/** What may keep any request of this folder from being answered. None of them says yes or no. */
import { isSessionError } from "latchkey";

/** One object type for each word, so that a `switch` or an `if` tells them apart. */
export type Outcome<Word extends string> = Word extends string ? { readonly outcome: Word } : never;

/** Too many before it: 429. */
export interface Throttled {
  readonly outcome: "throttled";
  readonly retryAfterSeconds: number;
}

/** Too many hashes are being computed, or nobody waits for this one any more: 503. */
export interface Busy {
  readonly outcome: "busy";
}

/** Redis or the database of users could not answer: 503. A write may have happened. */
export interface Unavailable {
  readonly outcome: "unavailable";
  /** For the log alone. */
  readonly cause: unknown;
}

/** What `work` resolves to; a store that could not answer is an outcome, all else is thrown. */
export async function orUnavailable<T>(work: () => Promise<T>): Promise<T | Unavailable> {
  try {
    return await work();
  } catch (cause) {
    if (isSessionError(cause) && cause.code === "store-unavailable") {
      return { outcome: "unavailable", cause };
    }
    throw cause;
  }
}
