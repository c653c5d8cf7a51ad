/** All that knows who a user is, in production: put together from settings, Redis and sessions. */
import type { SessionManager } from "latchkey";
import type { ProductionConfig } from "./config/config.ts";
import type { Audit } from "./log/audit.ts";
import type { ScriptRunner } from "./lua-script.ts";
import { serverKeys } from "./server-keys.ts";
import { DeviceMarks } from "./throttle/device-mark.ts";
import { Throttle } from "./throttle/throttle.ts";
import { Accounts } from "./users/accounts.ts";
import { Enrolment } from "./users/enrolment.ts";
import { PasswordLogin } from "./users/login.ts";
import { PasswordHasher } from "./users/password-hasher.ts";
import { passwordPolicy } from "./users/password-policy.ts";
import { redisUsers } from "./users/redis-users.ts";

export interface Identity {
  readonly login: PasswordLogin;
  readonly accounts: Accounts;
  readonly enrolment: Enrolment;
  readonly marks: DeviceMarks;
  /** Whether strangers may make themselves a user. */
  readonly isRegistrationOpen: boolean;
}

export interface IdentityParts {
  readonly config: ProductionConfig;
  readonly driver: ScriptRunner;
  readonly sessions: SessionManager;
  readonly audit: Pick<Audit, "record">;
}

/** What guessers of an account here try first. */
const PRODUCT_WORDS = ["latchkey", "session"];

export function createIdentity({ config, driver, sessions, audit }: IdentityParts): Identity {
  const { keys: ring } = config;
  const keys = serverKeys(config.sessionPrefix);
  const directory = redisUsers(driver, keys);
  const hasher = new PasswordHasher({ peppers: config.isPeppered ? ring.keysFor("pepper") : [] });
  // Another first key names all buckets anew: who failed before has his free attempts again, once.
  const throttle = new Throttle({ driver, keys, key: ring.keyFor("throttle").key });
  const marks = new DeviceMarks({ keys: ring.keysFor("device").map(({ key }) => key) });
  const policy = passwordPolicy({
    minCodePoints: config.passwordMinLength,
    words: wordsOf(config),
  });
  const login = new PasswordLogin({ directory, hasher, throttle, marks, sessions, audit });
  return {
    login,
    accounts: new Accounts({ directory, hasher, policy, throttle, login, sessions }),
    enrolment: new Enrolment({ driver, keys, directory, hasher, policy, throttle }),
    marks,
    isRegistrationOpen: config.registration === "open",
  };
}

function wordsOf({ publicOrigin }: ProductionConfig): readonly string[] {
  return [...PRODUCT_WORDS, ...new URL(publicOrigin).hostname.split(".")];
}
