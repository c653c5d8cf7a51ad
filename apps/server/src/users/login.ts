/**
 * ★ Whether a name and a password belong together: throttle, generation, credential, one hash. The same
 * steps for a user that is unknown, disabled, without a password or merely mistyped, so that nothing
 * tells them apart: not the answer, not the time, not the load.
 */
import type { SessionManager } from "latchkey";
import type { Audit } from "../log/audit.ts";
import type { DeviceMarks } from "../throttle/device-mark.ts";
import type { Network } from "../throttle/network.ts";
import type { AccountKey, Admission, Throttle } from "../throttle/throttle.ts";
import { type Busy, orUnavailable, type Throttled, type Unavailable } from "./outcomes.ts";
import type { Password } from "./password.ts";
import type { PasswordHasher, Verdict } from "./password-hasher.ts";
import type { Account, UserDirectory } from "./user-directory.ts";
import type { Username } from "./username.ts";

export interface LoginRequest {
  readonly username: Username;
  readonly password: Password;
  readonly network: Network;
  /** What the browser sent as its mark, good or not. */
  readonly deviceMark: string | undefined;
  /** Which of the network's buckets it counts in. Default `login`; the account's is one for both. */
  readonly bucket?: "login" | "reauthenticate";
  /** Aborted when nobody waits for the answer any more. */
  readonly signal?: AbortSignal | undefined;
}

/** The password is right. */
export interface LoggedIn {
  readonly outcome: "ok";
  readonly user: Username;
  /** For `session.login`: a revoke-all since the credential was read refuses this login. */
  readonly generation: number;
}

/** With the hash as it is stored now, for a change of it. Not for answers or logs. */
export interface Confirmed extends LoggedIn {
  readonly passwordHash: string;
}

export type LoginRefusal = { readonly outcome: "wrong" } | Throttled | Busy | Unavailable;

export interface PasswordLoginParts {
  readonly directory: UserDirectory;
  readonly hasher: PasswordHasher;
  readonly throttle: Throttle;
  readonly marks: DeviceMarks;
  readonly sessions: Pick<SessionManager, "generation">;
  /** Hears why an attempt failed, which no answer says. Default: nobody does. */
  readonly audit?: Pick<Audit, "record">;
}

/** What an attempt is counted in. */
interface Counted {
  readonly account: AccountKey;
  readonly network: Network;
  readonly bucket: "login" | "reauthenticate";
}

interface Judged {
  readonly verdict: Verdict;
  readonly generation: number;
  /** Undefined: nobody has this name. */
  readonly user: Account | undefined;
  /** The hash that was compared with; undefined: there was none to match. */
  readonly stored: string | undefined;
}

export class PasswordLogin {
  readonly #parts: PasswordLoginParts;

  constructor(parts: PasswordLoginParts) {
    this.#parts = parts;
  }

  /** Whether this is the user, for a login or a re-authentication. Opens no session. */
  async authenticate(request: LoginRequest): Promise<LoggedIn | LoginRefusal> {
    const confirmed = await this.confirm(request);
    if (confirmed.outcome !== "ok") return confirmed;
    const { outcome, user, generation } = confirmed;
    return { outcome, user, generation };
  }

  /** The same, for a change of the password. */
  async confirm(request: LoginRequest): Promise<Confirmed | LoginRefusal> {
    return orUnavailable(() => this.#confirm(request));
  }

  async #confirm(request: LoginRequest): Promise<Confirmed | LoginRefusal> {
    const { throttle, marks } = this.#parts;
    const { username, password, network, deviceMark, bucket = "login" } = request;
    const account = { username, device: marks.deviceOf(deviceMark, username) };
    const counted = { account, network, bucket };
    const admission = await this.#reserve(counted);
    if (admission.outcome === "throttled") {
      this.#parts.audit?.record({ event: "excess_rate_limit_exceeded", what: bucket });
      return admission;
    }
    const { verdict, generation, user, stored } = await this.#judge(request, counted);
    if (verdict === "busy") return { outcome: "busy" };
    if (verdict === "wrong" || stored === undefined) {
      this.#tell(username, user);
      return { outcome: "wrong" };
    }
    await Promise.all([
      throttle.clearAccount(account),
      throttle.giveBackToNetwork(bucket, network),
    ]);
    const passwordHash = await this.#upgraded(username, password, stored);
    return { outcome: "ok", user: username, generation, passwordHash };
  }

  /**
   * The network first: one that has used up its attempts must not use up those of an account. One that
   * knocks at an account which is blocked has failed, and the network keeps that count.
   */
  async #reserve({ account, network, bucket }: Counted): Promise<Admission> {
    const { throttle } = this.#parts;
    const admission = await throttle.reserveInNetwork(bucket, network);
    return admission.outcome === "throttled" ? admission : throttle.reserveInAccount(account);
  }

  /** An attempt that ends without a verdict is no failure, and is given back. */
  async #judge(
    { username, password, signal }: LoginRequest,
    { account, network, bucket }: Counted,
  ): Promise<Judged> {
    const { directory, hasher, throttle, sessions } = this.#parts;
    let isJudged = false;
    try {
      // In this order: who is disabled after the credential was read is revoked after this number was.
      const generation = await sessions.generation(username);
      const user = await directory.find(username);
      const stored = user?.isDisabled ? undefined : user?.passwordHash;
      const verdict = await hasher.verify(password, stored, signal);
      isJudged = verdict !== "busy";
      return { verdict, generation, user, stored };
    } finally {
      if (!isJudged) {
        await throttle.giveBackToAccount(account);
        await throttle.giveBackToNetwork(bucket, network);
      }
    }
  }

  /** To the audit alone. */
  #tell(name: Username, user: Account | undefined): void {
    this.#parts.audit?.record({
      event: "authn_login_fail",
      user: { name, isKnown: user !== undefined },
      what: reasonOf(user),
    });
  }

  /** The hash that is stored afterwards: a costlier one, if this is a time to make it. */
  async #upgraded(username: Username, password: Password, stored: string): Promise<string> {
    const { directory, hasher } = this.#parts;
    if (!hasher.needsRehash(stored)) return stored;
    const hashed = await hasher.hash(password);
    // Another login will come.
    if (hashed === "busy") return stored;
    const change = { from: stored, to: hashed.stored, why: "rehash" } as const;
    const outcome = await directory.replacePassword(username, change);
    return outcome === "replaced" ? hashed.stored : stored;
  }
}

function reasonOf(user: Account | undefined): string {
  if (user === undefined) return "unknown-user";
  if (user.isDisabled) return "disabled";
  return user.passwordHash === undefined ? "no-password" : "wrong-password";
}
