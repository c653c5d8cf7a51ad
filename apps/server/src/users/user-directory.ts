/**
 * Where users are kept: the port between the auth server and a database of users. The server's own is
 * `redis-users.ts`; implement this one for yours.
 *
 * Names are canonical (`parseUsername`) and compared byte by byte. Hashes are opaque strings of at most
 * 600 characters from `PasswordHasher`. Each method is one atomic step, also beside other servers, and
 * has happened when it resolves. Whatever cannot be done now rejects with a `SessionError`
 * "store-unavailable", and may then have happened.
 */
import type { Username } from "./username.ts";

export interface Account {
  /** Undefined: this user has no password, and cannot log in with one. */
  readonly passwordHash: string | undefined;
  /** A disabled user keeps the password and cannot log in. */
  readonly isDisabled: boolean;
}

export interface PasswordChange {
  readonly from: string | undefined;
  readonly to: string;
  /** `rehash`: the same password, in a hash that costs more; no date of a change moves. */
  readonly why: "new-password" | "rehash";
}

export interface UserDirectory {
  /** The account as it is now, never an older copy: a replica that lags would let in who was shut out. */
  find(username: Username): Promise<Account | undefined>;

  /** A new user, enabled. Of two at once with one name, one is "taken"; nothing is overwritten. */
  register(username: Username, passwordHash: string): Promise<"registered" | "taken">;

  /**
   * Replaces the hash that was read, `from`; undefined: there was none. "changed": it is another one by
   * now, and nothing was written, so that of two changes at once none is lost unseen.
   */
  replacePassword(
    username: Username,
    change: PasswordChange,
  ): Promise<"replaced" | "changed" | "absent">;

  /** Disabling twice is done. The sessions are ended by `Accounts`, which calls this. */
  disable(username: Username): Promise<"done" | "absent">;
  enable(username: Username): Promise<"done" | "absent">;

  /** Nothing is left of the user here; the name is free again. */
  delete(username: Username): Promise<"done" | "absent">;

  /** Whether nobody was ever registered: then the server offers to enrol the first user. */
  isNew(): Promise<boolean>;
}
