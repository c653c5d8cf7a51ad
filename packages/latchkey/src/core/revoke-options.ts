/** Whose sessions to end and why, and how a slip is refused that would end somebody else's. */
import { invalidOption, refuseUnknown } from "./options.ts";

interface Why {
  /** For the event. Default "revoked". */
  readonly reason?: string;
  /** Who does it; for the event. */
  readonly actor?: string;
}

export interface RevokeOptions extends Why {
  /** Only if it is this user's; decided in the same step. Else `absent`. */
  readonly owner?: string;
}

export interface RevokeUserOptions extends Why {
  /** The session that stays. */
  readonly except?: string;
}

/**
 * Throws "invalid-option" for a name that is none, and for a restriction that is given as undefined:
 * the user of nobody's session, say. Left out it would mean "anybody's".
 */
export function checkRevoke(
  options: RevokeOptions & RevokeUserOptions,
  names: readonly string[],
): void {
  refuseUnknown(options, [...names, "reason", "actor"], "revoke");
  for (const [name, value] of Object.entries(options)) {
    if (names.includes(name) && value === undefined) {
      throw invalidOption(name, "is undefined; leave it out if there is to be no restriction");
    }
  }
}
