/** What happened to sessions, for logs and for whoever must know. No event carries a secret. */
import type { SessionId } from "./token.ts";

export type SessionEvent =
  | {
      readonly type: "created";
      readonly sid: SessionId;
      /** Undefined: anonymous. */
      readonly user: string | undefined;
    }
  | {
      readonly type: "revoked";
      readonly sid: SessionId;
      readonly user: string | undefined;
      readonly reason: RevokeReason;
      /** Who did it, as the caller said. */
      readonly actor: string | undefined;
    }
  | {
      readonly type: "expired";
      /**
       * Told once, and only if anybody sees it: when its user logs in again or is listed while the
       * store still lists it. Redis forgets a user's list with its last session.
       */
      readonly sid: SessionId;
      readonly user: string | undefined;
    }
  | {
      readonly type: "rotated";
      readonly sid: SessionId;
      /** The id before; the same one if only the secret is new. */
      readonly from: SessionId;
      readonly user: string | undefined;
      /** `login`: the user has authenticated again. */
      readonly reason: "rotation" | "login";
    }
  | {
      /** A token that was rotated away came back after its grace: a slow client, or a thief. */
      readonly type: "reused";
      readonly sid: SessionId;
      /** Undefined: anonymous, or no longer known. */
      readonly user: string | undefined;
      /** How long its grace had been over: the longer, the less likely it is a slow client. */
      readonly lateMs: number;
    }
  | {
      readonly type: "user-revoked";
      readonly user: string;
      readonly reason: string;
      readonly actor: string | undefined;
      /** How many sessions were cleared away. */
      readonly count: number;
    }
  | {
      readonly type: "refused";
      readonly sid: SessionId | undefined;
      /** Known for "limit" and "stale": a login with good credentials that was refused. */
      readonly user: string | undefined;
      readonly reason: RefuseReason;
    };

/** Known reasons; callers may give their own words. */
export type RevokeReason = "logout" | "login" | "evicted" | "revoked" | (string & {});

export type RefuseReason =
  /** Wrong length or alphabet, as of any stray cookie; the store was not asked. */
  | "malformed"
  /** More than one credential of the kind that decides. */
  | "duplicate"
  /** A page of another origin may have made a browser send the cookie; the store was not asked. */
  | "csrf"
  /** No such session: unknown, ended or expired. */
  | "missing"
  /** The session is there, and the secret is not its. */
  | "wrong-secret"
  /** Something that is no session lies at the key. */
  | "corrupt"
  /** The cap is reached, and the policy is to reject. */
  | "limit"
  /** All sessions of the user were revoked while the credential was being checked. */
  | "stale";

/** What it returns is not waited for; what it throws is ignored. */
export type SessionListener = (event: SessionEvent) => unknown;
