/** The library's events in the words of the audit. */
import type { SessionEvent } from "latchkey";
import type { Occurrence } from "./audit-event.ts";

export function occurrencesOf(happened: SessionEvent): readonly Occurrence[] {
  switch (happened.type) {
    case "created":
      return [{ event: "session_created", user: happened.user, sid: happened.sid }];
    case "rotated": {
      const { user, sid, reason } = happened;
      return [{ event: "session_renewed", user, sid, what: reason }];
    }
    case "expired":
      return [{ event: "session_expired", user: happened.user, sid: happened.sid }];
    case "reused": {
      const { user, sid, lateMs } = happened;
      return [{ event: "authn_token_reuse", user, sid, count: lateMs }];
    }
    case "revoked":
      return revoked(happened);
    case "user-revoked": {
      const { user, reason, actor, count } = happened;
      return [{ event: "session_revoked", user, sid: undefined, what: reason, count, by: actor }];
    }
    case "refused":
      return [refused(happened)];
  }
}

type Revoked = Extract<SessionEvent, { type: "revoked" }>;

function revoked({ user, sid, reason, actor }: Revoked): readonly Occurrence[] {
  if (reason === "logout") return [{ event: "session_logout", user, sid }];
  const ended: Occurrence = { event: "session_revoked", user, sid, what: reason, by: actor };
  if (reason !== "evicted") return [ended];
  // Where the oldest makes room nobody is refused, and yet this is the sign of shared credentials.
  return [{ event: "excess_sessions_exceeded", user, sid, what: reason }, ended];
}

type Refused = Extract<SessionEvent, { type: "refused" }>;

function refused({ user, sid, reason }: Refused): Occurrence {
  switch (reason) {
    case "malformed":
    case "duplicate":
      return { event: "input_validation_fail", sid, what: `${reason}-credential` };
    case "csrf":
      return { event: "malicious_csrf", user, sid };
    case "missing":
      return { event: "session_use_after_expire", user, sid };
    case "wrong-secret":
    case "corrupt":
      return { event: "session_tampered", user, sid, what: reason };
    case "limit":
      return { event: "excess_sessions_exceeded", user, sid, what: reason };
    case "stale":
      return { event: "authn_login_fail", user: { name: user ?? "", isKnown: true }, what: reason };
  }
}
