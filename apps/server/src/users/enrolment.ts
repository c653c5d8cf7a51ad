/**
 * How the first user gets in, and whoever is invited by name: there is no default account. A token of
 * 192 random bits is shown once, and Redis keeps its SHA-256 for a day at most. It is good for one
 * account; it does not log anybody in, it lets somebody choose a password.
 */
import { createHash } from "node:crypto";
import { type RandomBytes, systemRandom } from "latchkey";
import { luaScript, type ScriptRunner, unexpected } from "../lua-script.ts";
import type { ServerKeys } from "../server-keys.ts";
import type { Throttle } from "../throttle/throttle.ts";
import type { Refused, Registration } from "./accounts.ts";
import {
  type Busy,
  type Outcome,
  orUnavailable,
  type Throttled,
  type Unavailable,
} from "./outcomes.ts";
import type { PasswordHasher } from "./password-hasher.ts";
import type { PasswordPolicy } from "./password-policy.ts";
import type { UserDirectory } from "./user-directory.ts";
import type { Username } from "./username.ts";

export interface EnrolmentParts {
  readonly driver: ScriptRunner;
  readonly keys: ServerKeys;
  readonly directory: UserDirectory;
  readonly hasher: PasswordHasher;
  readonly policy: PasswordPolicy;
  readonly throttle: Throttle;
  readonly random?: RandomBytes;
}

export interface Redemption extends Registration {
  /** As it came; anything that is no token of ours is invalid. */
  readonly token: string;
}

/** `invalid`: no such token, used, too old, or for somebody else. It does not say which. */
export type Redeemed =
  | Outcome<"enrolled" | "invalid" | "taken">
  | Refused
  | Throttled
  | Busy
  | Unavailable;

/** How long a token is good for. */
export const ENROLMENT_MS = 86_400_000;
const TOKEN_BYTES = 24;
const TOKEN = /^[A-Za-z0-9_-]{32}$/;
/** In place of a name, which is never empty: whoever redeems it chooses one. */
const FIRST_USER = "";

export class Enrolment {
  readonly #parts: EnrolmentParts;

  constructor(parts: EnrolmentParts) {
    this.#parts = parts;
  }

  /**
   * For the operator of a new installation; undefined once anybody was registered. Each server that
   * starts may show one: the first that is redeemed makes the others invalid.
   */
  async issueForFirstUser(): Promise<string | undefined> {
    if (!(await this.#parts.directory.isNew())) return undefined;
    return this.#issue(FIRST_USER);
  }

  /** For one name that is not taken yet. */
  async issueFor(username: Username): Promise<string> {
    return this.#issue(username);
  }

  /**
   * Makes the account. Of many at once with one token, one is enrolled. A token that is refused for
   * the password, the name or the load is still good.
   */
  async redeem(redemption: Redemption): Promise<Redeemed> {
    const { username, password, token, network } = redemption;
    const { policy, throttle } = this.#parts;
    const refusal = policy.check(password, username);
    if (refusal !== undefined) return { outcome: "refused", refusal };
    if (!TOKEN.test(token)) return { outcome: "invalid" };
    return orUnavailable(async () => {
      const admission = await throttle.reserveInNetwork("enrol", network);
      if (admission.outcome === "throttled") return admission;
      const redeemed = await this.#redeem(redemption);
      if (redeemed.outcome !== "invalid") await throttle.giveBackToNetwork("enrol", network);
      return redeemed;
    });
  }

  async #issue(boundTo: string): Promise<string> {
    const { driver, keys, random = systemRandom } = this.#parts;
    const token = Buffer.from(random(TOKEN_BYTES)).toString("base64url");
    const args = [boundTo, String(ENROLMENT_MS)];
    await driver.script(ISSUE, [keys.enrolment(hashOf(token))], args);
    return token;
  }

  async #redeem({ token, username, password, signal }: Redemption): Promise<Redeemed> {
    const { driver, keys, directory, hasher } = this.#parts;
    const key = keys.enrolment(hashOf(token));
    // Looked at before it is taken: only who has a good one costs us a hash, and a busy moment or a
    // name that is taken does not use it up.
    const binding = bindingOf(await driver.script(LOOK, [key], [username]));
    if (binding === "none") return { outcome: "invalid" };
    if (binding === "first-user" && !(await directory.isNew())) return { outcome: "invalid" };
    if ((await directory.find(username)) !== undefined) return { outcome: "taken" };
    const hashed = await hasher.hash(password, signal);
    if (hashed === "busy") return { outcome: "busy" };
    const taken = bindingOf(await driver.script(TAKE, [key], [username]));
    if (taken === "none") return { outcome: "invalid" };
    const outcome = await directory.register(username, hashed.stored);
    return { outcome: outcome === "registered" ? "enrolled" : "taken" };
  }
}

function hashOf(token: string): string {
  return createHash("sha256").update(token).digest("base64url");
}

function bindingOf(reply: readonly unknown[]): "first-user" | "user" | "none" {
  const word = (["first-user", "user", "none"] as const).find((one) => one === reply[0]);
  if (word === undefined) throw unexpected(reply);
  return word;
}

const ISSUE = luaScript(`#!lua
-- issue: a token that was just drawn.
--
-- KEYS  1 token   ARGV  1 name that it is for ('' first user)   2 how long in ms
-- REPLY {key}

redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {KEYS[1]}
`);

const BINDING = `
local bound = redis.call('GET', KEYS[1])
if not bound or (bound ~= '' and bound ~= ARGV[1]) then return {KEYS[1], 'none'} end
local binding = bound == '' and 'first-user' or 'user'
`;

const LOOK = luaScript(`#!lua flags=no-writes
-- look: whether a token is good for a name.
--
-- KEYS  1 token   ARGV  1 name
-- REPLY {key, 'first-user'}, {key, 'user'} or {key, 'none'}
${BINDING}
return {KEYS[1], binding}
`);

const TAKE = luaScript(`#!lua flags=allow-oom
-- take: the same, and it is gone. With the wrong name it stays.
--
-- KEYS  1 token   ARGV  1 name
-- REPLY {key, 'first-user'}, {key, 'user'} or {key, 'none'}
${BINDING}
redis.call('DEL', KEYS[1])
return {KEYS[1], binding}
`);
