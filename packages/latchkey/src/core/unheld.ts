/** A session whose token nobody got, because the answer of the store was lost on the way. */
import type { SessionStore } from "./store.ts";
import type { SessionId } from "./token.ts";

/**
 * Ends what may have begun. In the background, and as well as it can: the store could not answer a
 * moment ago. What it leaves ends by its own deadline; until then it counts in a list and in a cap.
 */
export function endUnheld(store: SessionStore, sid: SessionId, user: string | undefined): void {
  const ignore = (): void => {};
  store.revoke(sid, user).then(ignore, ignore);
}
