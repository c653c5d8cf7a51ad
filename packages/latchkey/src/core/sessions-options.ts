/** What `createSessions` is given, and how a bad option is refused: by name, before anything begins. */
import type { SessionListener } from "./events.ts";
import { invalidOption, refuseUnknown } from "./options.ts";
import type { PolicyOptions } from "./policy.ts";
import type { StandardSchema } from "./standard-schema.ts";
import type { SessionStore } from "./store.ts";
import type { RandomBytes } from "./token.ts";
import type { Warn } from "./warning.ts";

export interface SessionsOptions<Data = Record<string, unknown>> extends PolicyOptions {
  /** Where sessions are kept: `await redisStore({ url })`, or `memoryStore()` for tests. */
  readonly store: SessionStore;
  /** The shape of `session.data`: any Standard Schema (zod, valibot, arktype) of an object. */
  readonly data?: StandardSchema<Data>;
  /** Hears what happens to sessions. What it throws is ignored: a log must not end a request. */
  readonly onEvent?: SessionListener;
  /** Hears, once each, what would go wrong in silence. Default: a warning of the process. */
  readonly warn?: Warn;
  /** Source of the secrets. Default: the operating system's. */
  readonly random?: RandomBytes;
}

const OPTION_NAMES: readonly string[] = [
  ...["store", "data", "onEvent", "warn", "random", "layout", "idleTimeout", "absoluteTimeout"],
  ...["maxPerUser", "atLimit", "rotationGrace", "cookie", "trustedOrigins", "csrf"],
];
/** Options of other libraries, and what there is for them here. */
const INSTEAD: ReadonlyMap<string, string> = new Map([
  ["ttl", "use idleTimeout and absoluteTimeout"],
  ["maxAge", "use idleTimeout and absoluteTimeout"],
  ["rolling", "use idleTimeout"],
  ["name", "use cookie.name"],
  ["secret", "leave it out, tokens are random and not signed"],
  ["resave", "leave it out, only what was changed is saved"],
  ["saveUninitialized", "leave it out, only what was changed is saved"],
]);

/** Throws `invalid-option` with the name of the field; what the policy says of is checked there. */
export function checkOptions(options: SessionsOptions<never> | SessionsOptions<unknown>): void {
  if (typeof options?.store?.load !== "function") {
    throw invalidOption("store", "must be a SessionStore (is an await missing before redisStore?)");
  }
  refuseUnknown(options, OPTION_NAMES, "createSessions", "", INSTEAD);
  if (options.data !== undefined && options.data["~standard"]?.version !== 1) {
    throw invalidOption("data", "must be a Standard Schema");
  }
  if (options.onEvent !== undefined && typeof options.onEvent !== "function") {
    throw invalidOption("onEvent", "must be a function");
  }
  if (options.warn !== undefined && typeof options.warn !== "function") {
    throw invalidOption("warn", "must be a function");
  }
  if (options.random !== undefined && typeof options.random !== "function") {
    throw invalidOption("random", "must be a function that gives bytes");
  }
}
