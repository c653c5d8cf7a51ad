/**
 * What happened to accounts and sessions, in the words of the OWASP Logging Vocabulary, so that
 * alerts written for other servers fit this one. `Occurrence` is what the code reports; `AuditEvent`
 * is the same with time, place and request, as sinks get it. No secret is in either.
 */
import type { SessionId } from "latchkey";
import type { Level } from "./level.ts";
import type { Pseudonymize } from "./pseudonym.ts";
import type { RequestContext } from "./request-context.ts";

export type Occurrence = {
  readonly [Name in AuditName]: { readonly event: Name } & Details[Name];
}[AuditName];

export type AuditName = keyof Details;

/** A field is undefined where there is nothing to say. */
export interface AuditEvent {
  readonly event: AuditName;
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly level: Extract<Level, "info" | "warn" | "error">;
  readonly result: "success" | "failure";
  /** The user that this is about. */
  readonly who: string | undefined;
  /** In place of `who`: pseudonym of a name that nobody has. It may be a password. */
  readonly whoHash: string | undefined;
  /** Who did it, if not the user. */
  readonly by: string | undefined;
  /** Reason or object, in a fixed word. */
  readonly what: string | undefined;
  /** How many: failures, sessions, milliseconds; the name says of what. */
  readonly count: number | undefined;
  /** The client, as `keptAddress` has it. */
  readonly where: string | undefined;
  readonly requestId: string | undefined;
  /** The session's public handle: its id, or a pseudonym where the id is the credential. */
  readonly session: string | undefined;
}

/** A name as someone typed it: only a name that somebody has may be written down. */
export interface TypedUser {
  readonly name: string;
  readonly isKnown: boolean;
}

interface User {
  readonly user: string;
}
interface MaybeUser {
  /** Undefined: anonymous, or nobody knows. */
  readonly user: string | undefined;
}
interface Attempt {
  readonly user: TypedUser;
}
interface MaybeSession {
  readonly sid: SessionId | undefined;
}
interface What {
  readonly what: string;
}
interface Count {
  readonly count: number;
}

interface By {
  readonly by: string | undefined;
}

interface Details {
  readonly authn_login_success: User & MaybeSession;
  /** `count`: failures before it. */
  readonly authn_login_successafterfail: User & MaybeSession & Count;
  readonly authn_login_fail: Attempt & What;
  /** The throttle has begun to refuse this account. `count`: failures. */
  readonly authn_login_fail_max: Attempt & Count;
  /** The account itself is locked; `what`: by which rule. */
  readonly authn_login_lock: Attempt & What;
  readonly authn_password_change: User & MaybeSession;
  readonly authn_password_change_fail: User & MaybeSession & What;
  /** A token that was rotated away came back. `count`: ms after its grace. */
  readonly authn_token_reuse: MaybeUser & MaybeSession & Count;
  readonly session_created: MaybeUser & MaybeSession;
  /** A new token. `what`: "rotation" or "login". */
  readonly session_renewed: MaybeUser & MaybeSession & What;
  readonly session_expired: MaybeUser & MaybeSession;
  readonly session_logout: MaybeUser & MaybeSession;
  /** A token of no session: ended, expired, or never there. */
  readonly session_use_after_expire: MaybeUser & MaybeSession;
  /** By somebody, or by a rule. One session, or with `count` that many of the user. */
  readonly session_revoked: MaybeUser & MaybeSession & What & Partial<Count & By>;
  /** `what`: "wrong-secret", or "corrupt": what lies in Redis is no session of ours. */
  readonly session_tampered: MaybeUser & MaybeSession & What;
  /** `what`: which right was missing. */
  readonly authz_fail: MaybeUser & MaybeSession & What;
  /** `by` used a right of administrators: `what`, on `user`. */
  readonly authz_admin: MaybeUser & MaybeSession & What & By;
  /** `what`: which limit. */
  readonly excess_rate_limit_exceeded: Partial<Attempt> & What;
  /** `what`: "limit", the login was refused; "evicted", the session made room for a new one. */
  readonly excess_sessions_exceeded: MaybeUser & MaybeSession & What;
  /** `what`: which field, or which kind of credential; never its value. */
  readonly input_validation_fail: What & Partial<MaybeSession>;
  readonly malicious_csrf: MaybeUser & MaybeSession;
  /** `what`: the profile. */
  readonly sys_startup: What;
  /** `what`: the id of the key that signs from now on. */
  readonly key_rotated: What;
}

type Judgement = readonly [AuditEvent["level"], AuditEvent["result"]];

/**
 * Levels as OWASP has them, its CRITICAL as "error". One differs: there a token after its session's
 * end is CRITICAL; but every browser that slept overnight sends one.
 */
const JUDGEMENTS: Readonly<Record<AuditName, Judgement>> = {
  authn_login_success: ["info", "success"],
  authn_login_successafterfail: ["info", "success"],
  authn_login_fail: ["warn", "failure"],
  authn_login_fail_max: ["warn", "failure"],
  authn_login_lock: ["warn", "failure"],
  authn_password_change: ["info", "success"],
  authn_password_change_fail: ["error", "failure"],
  authn_token_reuse: ["error", "failure"],
  session_created: ["info", "success"],
  session_renewed: ["info", "success"],
  session_expired: ["info", "success"],
  session_logout: ["info", "success"],
  session_use_after_expire: ["warn", "failure"],
  session_revoked: ["info", "success"],
  session_tampered: ["error", "failure"],
  authz_fail: ["error", "failure"],
  authz_admin: ["warn", "success"],
  excess_rate_limit_exceeded: ["warn", "failure"],
  excess_sessions_exceeded: ["warn", "failure"],
  input_validation_fail: ["warn", "failure"],
  malicious_csrf: ["error", "failure"],
  sys_startup: ["warn", "success"],
  key_rotated: ["warn", "success"],
};

/** Every name, for tests and for documents. */
export const AUDIT_NAMES: readonly string[] = Object.keys(JUDGEMENTS);

export interface Surroundings {
  /** Epoch ms. */
  readonly now: number;
  /** Undefined: outside of any request. */
  readonly request: RequestContext | undefined;
  /** Whether the session id alone lets in (literal layout). */
  readonly isSidSecret: boolean;
  readonly pseudonymize: Pseudonymize;
}

export function auditEventOf(occurrence: Occurrence, surroundings: Surroundings): AuditEvent {
  const { now, request, isSidSecret, pseudonymize } = surroundings;
  const [level, result] = JUDGEMENTS[occurrence.event];
  const { event, user, sid, by, what, count }: Loose = occurrence;
  const handle = sid !== undefined && isSidSecret ? pseudonymize("session", sid) : sid;
  return {
    event,
    time: new Date(now).toISOString(),
    level,
    result,
    ...whoIs(user, pseudonymize),
    by,
    what,
    count,
    where: request?.where,
    requestId: request?.requestId,
    session: handle,
  };
}

/** Any occurrence, with every field that some have. */
interface Loose {
  readonly event: AuditName;
  readonly user?: string | TypedUser | undefined;
  readonly sid?: SessionId | undefined;
  readonly by?: string | undefined;
  readonly what?: string | undefined;
  readonly count?: number | undefined;
}

function whoIs(
  user: string | TypedUser | undefined,
  pseudonymize: Pseudonymize,
): Pick<AuditEvent, "who" | "whoHash"> {
  if (user === undefined || typeof user === "string") return { who: user, whoHash: undefined };
  const { name, isKnown } = user;
  if (isKnown) return { who: name, whoHash: undefined };
  return { who: undefined, whoHash: pseudonymize("user", name) };
}
