/** Server-side sessions: `createSessions` with a store, opened by an adapter. */
export { type Clock, systemClock } from "./core/clock.ts";
export type { CookieOptions } from "./core/cookie.ts";
export type { Duration } from "./core/duration.ts";
export { isSessionError, SessionError, type SessionErrorCode } from "./core/errors.ts";
export type { RefuseReason, RevokeReason, SessionEvent, SessionListener } from "./core/events.ts";
export type { HttpExchange } from "./core/exchange.ts";
export type { FeedStats, InvalidationFeed, ObservableStore } from "./core/feed.ts";
export {
  createSessions,
  type RevokeOptions,
  type RevokeUserOptions,
  type SessionInfo,
  type SessionManager,
} from "./core/manager.ts";
export type { PolicyOptions } from "./core/policy.ts";
export {
  checkUser,
  type Fields,
  type PreviousToken,
  type SessionRecord,
  USER_MAX_BYTES,
} from "./core/record.ts";
export { type Problem, problem, type Refusal } from "./core/refusal.ts";
export type {
  Answer,
  CommitOutcome,
  Login,
  LoginOptions,
  RotateOptions,
  Session,
} from "./core/session.ts";
export { DEVICE_MAX_CHARS } from "./core/session-options.ts";
export type { SessionsOptions } from "./core/sessions-options.ts";
export type { SchemaIssue, SchemaResult, StandardSchema } from "./core/standard-schema.ts";
export type { Standing } from "./core/standing.ts";
export {
  ABSOLUTE_TIMEOUT_MAX_MS,
  type CachingStore,
  type Cap,
  type Change,
  type CreateOutcome,
  DATA_MAX_BYTES,
  DATA_MAX_FIELDS,
  type Life,
  type Listing,
  type LoadOutcome,
  type NewSession,
  type Reauthentication,
  ROTATED_MEMORY_MS,
  type RotateOutcome,
  type Rotation,
  type SessionStore,
  type Touched,
  type TouchOutcome,
  type UpdateOutcome,
} from "./core/store.ts";
export {
  type Layout,
  parseSessionId,
  type RandomBytes,
  type SessionId,
  systemRandom,
} from "./core/token.ts";
export type { OpenOptions, Visit } from "./core/visit.ts";
export type { SessionWarning, Warn } from "./core/warning.ts";
