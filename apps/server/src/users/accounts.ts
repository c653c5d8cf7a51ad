/**
 * What happens to an account, and to the sessions of its user with it. Always in this order: first the
 * credential, then `revokeUser`. A login that read the old credential carries the generation from before
 * and is refused; one that begins in between reads the new credential.
 */
import type { SessionManager } from "latchkey";
import type { Network } from "../throttle/network.ts";
import type { Throttle } from "../throttle/throttle.ts";
import type { LoginRefusal, LoginRequest, PasswordLogin } from "./login.ts";
import {
  type Busy,
  type Outcome,
  orUnavailable,
  type Throttled,
  type Unavailable,
} from "./outcomes.ts";
import type { Password } from "./password.ts";
import type { PasswordHasher } from "./password-hasher.ts";
import type { PasswordPolicy, PasswordRefusal } from "./password-policy.ts";
import type { UserDirectory } from "./user-directory.ts";
import type { Username } from "./username.ts";

/** The new password is not good enough; `refusal` says why. */
export interface Refused {
  readonly outcome: "refused";
  readonly refusal: PasswordRefusal;
}

/**
 * `done`: and no session of before is left. `not-revoked`: the account was changed, but its sessions may
 * live; repeat the call until it says otherwise. `absent`: there is no such user, and no session either.
 */
export type Change = Outcome<"done" | "absent" | "not-revoked">;

/** The account was changed by somebody else meanwhile; nothing was written. */
export interface Conflict {
  readonly outcome: "conflict";
}

export interface Registration {
  readonly username: Username;
  readonly password: Password;
  readonly network: Network;
  readonly signal?: AbortSignal | undefined;
}

/** Of somebody who is logged in; `password` is the one that holds now. */
export interface PasswordChangeRequest extends Omit<LoginRequest, "bucket"> {
  readonly next: Password;
  /** The session that asks for it, and stays. Left out: none stays. */
  readonly keep?: string | undefined;
}

export interface AccountsParts {
  readonly directory: UserDirectory;
  readonly hasher: PasswordHasher;
  readonly policy: PasswordPolicy;
  readonly throttle: Throttle;
  readonly login: PasswordLogin;
  readonly sessions: Pick<SessionManager, "revokeUser">;
}

export class Accounts {
  readonly #parts: AccountsParts;

  constructor(parts: AccountsParts) {
    this.#parts = parts;
  }

  /** A new user. Costs one hash also when the name is taken, and opens no session. */
  async register({
    username,
    password,
    network,
    signal,
  }: Registration): Promise<
    Outcome<"registered" | "taken"> | Refused | Throttled | Busy | Unavailable
  > {
    const { policy, throttle, hasher, directory } = this.#parts;
    const refusal = policy.check(password, username);
    if (refusal !== undefined) return { outcome: "refused", refusal };
    return orUnavailable(async () => {
      const admission = await throttle.reserveInNetwork("register", network);
      if (admission.outcome === "throttled") return admission;
      const hashed = await hasher.hash(password, signal);
      if (hashed === "busy") return { outcome: "busy" } as const;
      return { outcome: await directory.register(username, hashed.stored) };
    });
  }

  /** The user's own change: it needs the present password, throttled like a login. */
  async changePassword(
    request: PasswordChangeRequest,
  ): Promise<Change | Refused | Conflict | LoginRefusal> {
    const { policy, login } = this.#parts;
    const { username, next, keep, ...attempt } = request;
    const refusal = policy.check(next, username);
    if (refusal !== undefined) return { outcome: "refused", refusal };
    const confirmed = await login.confirm({ ...attempt, username, bucket: "reauthenticate" });
    if (confirmed.outcome !== "ok") return confirmed;
    return orUnavailable(() => this.#setPassword(username, confirmed.passwordHash, next, keep));
  }

  /** An operator's, without the present one: for who has forgotten it. Ends every session. */
  async resetPassword(
    username: Username,
    next: Password,
  ): Promise<Change | Refused | Conflict | Busy | Unavailable> {
    const { policy, directory, throttle } = this.#parts;
    const refusal = policy.check(next, username);
    if (refusal !== undefined) return { outcome: "refused", refusal };
    return orUnavailable(async () => {
      const user = await directory.find(username);
      if (user === undefined) return { outcome: "absent" } as const;
      const changed = await this.#setPassword(username, user.passwordHash, next, undefined);
      // What was guessed at the old password says nothing about the new one: the hard stop ends here.
      if (changed.outcome === "done") await throttle.clearAccount({ username, device: undefined });
      return changed;
    });
  }

  /** From now on no login succeeds, and every session is over. */
  async disable(username: Username): Promise<Change | Unavailable> {
    const { directory } = this.#parts;
    return this.#ending(username, "disabled", () => directory.disable(username));
  }

  /** Takes a disable back; what was ended stays so. */
  async enable(username: Username): Promise<Change | Unavailable> {
    return orUnavailable(async () => ({
      outcome: await this.#parts.directory.enable(username),
    }));
  }

  /** Nothing is left. On `not-revoked`, do not give the name to anybody yet. */
  async delete(username: Username): Promise<Change | Unavailable> {
    const { directory } = this.#parts;
    return this.#ending(username, "deleted", () => directory.delete(username));
  }

  /** Also for a user who is absent: the call may be the repetition of one that ended half-way. */
  async #ending(
    username: Username,
    reason: string,
    change: () => Promise<"done" | "absent">,
  ): Promise<Change | Unavailable> {
    return orUnavailable(async () => {
      const outcome = await change();
      const isOver = await this.#endSessions(username, reason, undefined);
      return { outcome: isOver ? outcome : "not-revoked" };
    });
  }

  async #setPassword(
    username: Username,
    from: string | undefined,
    next: Password,
    keep: string | undefined,
  ): Promise<Change | Conflict | Busy> {
    const { hasher, directory } = this.#parts;
    const hashed = await hasher.hash(next);
    if (hashed === "busy") return { outcome: "busy" };
    const change = { from, to: hashed.stored, why: "new-password" } as const;
    const outcome = await directory.replacePassword(username, change);
    if (outcome === "changed") return { outcome: "conflict" };
    if (outcome === "absent") return { outcome };
    const isOver = await this.#endSessions(username, "password-change", keep);
    return { outcome: isOver ? "done" : "not-revoked" };
  }

  async #endSessions(
    username: Username,
    reason: string,
    keep: string | undefined,
  ): Promise<boolean> {
    const { sessions } = this.#parts;
    const ended = await orUnavailable(async () => {
      const except = keep === undefined ? {} : { except: keep };
      await sessions.revokeUser(username, { reason, ...except });
      return { outcome: "ended" } as const;
    });
    return ended.outcome === "ended";
  }
}
