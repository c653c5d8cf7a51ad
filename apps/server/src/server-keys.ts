/** Every key name of the auth server's own, in one place. `opaque` parts are hashes, never user text. */
import { userKey } from "latchkey/redis";

export interface ServerKeys {
  /** The hash of a local user, in the slot of all his keys. */
  account(username: string): string;
  /** Exists once a local user was registered. */
  usersExist: string;
  /** What failed logins of one account leave. */
  accountBucket(opaque: string): string;
  /** What requests of one network leave. */
  networkBucket(opaque: string): string;
  /** A one-time token that lets somebody enrol. */
  enrolment(opaque: string): string;
}

const DEFAULT_PREFIX = "session:";

/** @param prefix of the sessions; any but the default stands before these names too */
export function serverKeys(prefix: string): ServerKeys {
  const namespace = prefix === DEFAULT_PREFIX ? "" : prefix;
  return {
    account: (username) => userKey(prefix, username, "account"),
    usersExist: `${namespace}auth:users-exist`,
    accountBucket: (opaque) => `{${namespace}rl:account:${opaque}}`,
    networkBucket: (opaque) => `{${namespace}rl:net:${opaque}}`,
    enrolment: (opaque) => `{${namespace}enrol:${opaque}}`,
  };
}
