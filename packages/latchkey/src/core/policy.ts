/** The pure rules: which settings a manager runs by, and whether a record answers a token. */
import { type CookieOptions, type CookieSettings, checkCookie } from "./cookie.ts";
import { checkOrigins, type OriginRules } from "./csrf.ts";
import { type Duration, parseDuration } from "./duration.ts";
import { invalidOption } from "./options.ts";
import type { SessionRecord } from "./record.ts";
import { ABSOLUTE_TIMEOUT_MAX_MS, type Cap, type Life } from "./store.ts";
import { type Layout, type ParsedToken, secretMatches } from "./token.ts";

export interface PolicyOptions {
  /** What the token is made of; see `Layout`. Default "split". */
  readonly layout?: Layout;
  /**
   * How long a session lives without being used; false: use prolongs nothing. Default "30m", in the
   * literal layout false.
   */
  readonly idleTimeout?: Duration | false;
  /** How long a session lives from its login, however much it is used. Default "12h". */
  readonly absoluteTimeout?: Duration;
  /** How many sessions one user may have at once. Default: any number. */
  readonly maxPerUser?: number;
  /**
   * What a login does that would be one too many: "evict-oldest" ends the session that would end
   * first, "reject" refuses the login. Default "evict-oldest".
   */
  readonly atLimit?: Cap["policy"];
  /**
   * How long the token before a rotation goes on to work, for the requests that are under way with it;
   * false: not at all. Default "10s", at most "5m".
   */
  readonly rotationGrace?: Duration | false;
  /** The session cookie. */
  readonly cookie?: CookieOptions;
  /**
   * Origins whose pages may send requests with the cookie, besides our own: a frontend on another
   * host, an identity provider that posts its answer here. Default: none.
   */
  readonly trustedOrigins?: readonly string[];
  /** Default true. False: something else protects from forged requests (CSRF). */
  readonly csrf?: boolean;
}

export interface Policy {
  readonly layout: Layout;
  readonly life: Life;
  /** The least time between two touches of a session; Infinity where use prolongs nothing. */
  readonly touchIntervalMs: number;
  readonly cap: Cap | undefined;
  readonly rotationGraceMs: number;
  readonly cookie: CookieSettings;
  readonly origins: OriginRules;
}

const DEFAULTS = {
  layout: "split",
  idleTimeout: "30m",
  absoluteTimeout: "12h",
  rotationGrace: "10s",
} as const;
/** A rotation is there to end the old token; requests do not take that long. */
export const ROTATION_GRACE_MAX_MS: number = 5 * 60_000;
/** A touch is a write and, with a near cache, a message to every server: at most one a minute. */
const TOUCH_INTERVAL_MIN_MS = 60_000;
const TOUCHES_PER_IDLE_TIMEOUT = 10;
/** A login that evicts looks at all of them in one script: some 2 ms of Redis' time. */
export const MAX_PER_USER_LIMIT = 1_000;

/** Options made complete. Throws `invalid-option` with the name of the field. */
export function checkPolicy(options: PolicyOptions): Policy {
  const layout = options.layout ?? DEFAULTS.layout;
  if (layout !== "split" && layout !== "literal") {
    throw invalidOption("layout", 'must be "split" or "literal"');
  }
  const life = checkLife(options, layout);
  const cookie = checkCookie(options.cookie);
  return {
    layout,
    life,
    touchIntervalMs: touchInterval(life),
    cap: checkCap(options),
    rotationGraceMs: checkGrace(options.rotationGrace ?? DEFAULTS.rotationGrace),
    cookie,
    origins: { trusted: checkCsrf(options), isSecure: cookie.secure },
  };
}

function checkCsrf({ csrf = true, trustedOrigins = [] }: PolicyOptions): OriginRules["trusted"] {
  if (typeof csrf !== "boolean") throw invalidOption("csrf", "must be true or false");
  const trusted = checkOrigins(trustedOrigins);
  return csrf ? trusted : undefined;
}

function checkLife(options: PolicyOptions, layout: Layout): Life {
  const absoluteTimeoutMs = parseDuration(
    options.absoluteTimeout ?? DEFAULTS.absoluteTimeout,
    "absoluteTimeout",
  );
  if (absoluteTimeoutMs > ABSOLUTE_TIMEOUT_MAX_MS) {
    throw invalidOption("absoluteTimeout", "must be at most 400d");
  }
  const { idleTimeout } = options;
  const idle =
    idleTimeout !== undefined ? idleTimeout : layout === "split" ? DEFAULTS.idleTimeout : false;
  if (idle === false) return { idleTimeoutMs: undefined, absoluteTimeoutMs };
  const idleTimeoutMs = parseDuration(idle, "idleTimeout", "or false");
  if (options.idleTimeout !== undefined && idleTimeoutMs > absoluteTimeoutMs) {
    throw invalidOption("idleTimeout", "must not be longer than absoluteTimeout");
  }
  return { idleTimeoutMs, absoluteTimeoutMs };
}

function checkGrace(grace: Duration | false): number {
  const graceMs = grace === false ? 0 : parseDuration(grace, "rotationGrace", "or false");
  if (graceMs <= ROTATION_GRACE_MAX_MS) return graceMs;
  throw invalidOption("rotationGrace", "must be at most 5m");
}

function touchInterval({ idleTimeoutMs }: Life): number {
  if (idleTimeoutMs === undefined) return Number.POSITIVE_INFINITY;
  const tenth = Math.ceil(idleTimeoutMs / TOUCHES_PER_IDLE_TIMEOUT);
  // An idle timeout of less than two minutes would otherwise run out between two touches.
  return Math.min(Math.max(tenth, TOUCH_INTERVAL_MIN_MS), Math.ceil(idleTimeoutMs / 2));
}

function checkCap(options: PolicyOptions): Cap | undefined {
  const { maxPerUser, atLimit = "evict-oldest" } = options;
  if (atLimit !== "evict-oldest" && atLimit !== "reject") {
    throw invalidOption("atLimit", 'must be "evict-oldest" or "reject"');
  }
  if (maxPerUser === undefined) {
    if (options.atLimit !== undefined) throw invalidOption("atLimit", "needs maxPerUser");
    return undefined;
  }
  if (!Number.isSafeInteger(maxPerUser) || maxPerUser < 1 || maxPerUser > MAX_PER_USER_LIMIT) {
    throw invalidOption("maxPerUser", `must be a whole number from 1 to ${MAX_PER_USER_LIMIT}`);
  }
  return { max: maxPerUser, policy: atLimit };
}

/** Whether a session has gone unused for so long that its use is worth a write. */
export function isTouchDue(record: SessionRecord, touchIntervalMs: number): boolean {
  const now = record.expiresAt - record.remainingMs;
  return record.lastSeenAt !== undefined && now - record.lastSeenAt >= touchIntervalMs;
}

/** Whether its user logged in within `maxAgeMs`, by the store's clock. */
export function isFresh(record: SessionRecord | undefined, maxAgeMs: number): boolean {
  if (record?.authTime === undefined) return false;
  return record.expiresAt - record.remainingMs - record.authTime <= maxAgeMs;
}

/**
 * `graced`: by the token before the last rotation, whose grace runs. `late`: it opened the session
 * once, and was rotated longer ago than the grace.
 */
export type Opening = "opens" | "graced" | "late" | "wrong";

/** Whether a token opens the record that was found under its sid. */
export function openingOf(token: ParsedToken, record: SessionRecord): Opening {
  const { previous } = record;
  if (token.sid === record.sid && fits(token.secret, record.secretHash)) return "opens";
  if (previous === undefined || !fits(token.secret, previous.secretHash)) return "wrong";
  return previous.graceMs > 0 ? "graced" : "late";
}

/** Whether a secret is the one behind a hash; a token without secret fits only what has no hash. */
export function fits(secret: string | undefined, hash: string | undefined): boolean {
  // A record without a hash was made by hand or by a literal-layout server, one with a hash by a
  // split-layout server. Neither may be opened by the other's tokens: where ids are public handles,
  // an id alone must open nothing.
  if (secret === undefined || hash === undefined) return secret === hash;
  return secretMatches(secret, hash);
}
