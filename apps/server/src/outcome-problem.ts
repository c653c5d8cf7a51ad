/** What keeps a request with a password in it from being answered, as a problem. */
import { Problem, wrongCredentials } from "./problem.ts";
import type { Refused } from "./users/accounts.ts";
import type { Busy, Throttled, Unavailable } from "./users/outcomes.ts";

export type Hindrance = Throttled | Busy | Unavailable | Refused | { readonly outcome: "wrong" };

/** How long the queue of hashes takes at most: see `WAITING_MAX` of the hasher. */
const BUSY_SECONDS = 2;

/** @param field of the new password, where there is one */
export function problemOfHindrance(hindrance: Hindrance, field = "password"): Problem {
  switch (hindrance.outcome) {
    case "wrong":
      return wrongCredentials();
    case "throttled": {
      const { retryAfterSeconds } = hindrance;
      const title = "Too many attempts: try again later";
      return new Problem({ status: 429, code: "throttled", title, retryAfterSeconds });
    }
    case "busy": {
      const title = "Too many are logging in: try again in a moment";
      return new Problem({ status: 503, code: "busy", title, retryAfterSeconds: BUSY_SECONDS });
    }
    case "unavailable": {
      const title = "Passwords cannot be checked right now";
      const details = { status: 503, code: "store_unavailable", title };
      return new Problem(details, { cause: hindrance.cause });
    }
    case "refused": {
      const { message } = hindrance.refusal;
      const title = "The new password is not good enough";
      const errors = [{ pointer: `/${field}`, message }];
      return new Problem({ status: 422, code: "password_refused", title, errors });
    }
  }
}
