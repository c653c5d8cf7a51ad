/**
 * How often somebody may try (NIST SP 800-63B-4 §3.2.2, OWASP ASVS 6.3.1): two kinds of buckets that do
 * not know each other. An account has one, whether it exists or not, that makes the next attempt wait
 * longer and longer; a network has one for each thing that it may do so many times.
 *
 * An attempt is counted before it is made, and given back when it turns out well: see `scripts.ts`.
 * Every method rejects with "store-unavailable" when Redis cannot count. Then the answer is 503: an
 * attempt that nobody counts is one that nobody limits.
 */
import { createHmac } from "node:crypto";
import { type ScriptRunner, unexpected } from "../lua-script.ts";
import type { ServerKeys } from "../server-keys.ts";
import type { Network } from "./network.ts";
import {
  CLEAR_ACCOUNT,
  GIVE_BACK_TO_ACCOUNT,
  GIVE_BACK_TO_NETWORK,
  RESERVE_IN_ACCOUNT,
  RESERVE_IN_NETWORK,
} from "./scripts.ts";

export type Admission =
  | { readonly outcome: "admitted" }
  | { readonly outcome: "throttled"; readonly retryAfterSeconds: number };

/** Failures in a row at one account. */
export interface AccountRule {
  /** So many may follow each other at once. */
  readonly freeFailures: number;
  /** After the last free one; then it doubles with each. */
  readonly firstDelayMs: number;
  readonly longestDelayMs: number;
  /** With so many, no attempt is made any more until a reset, or until they are forgotten. */
  readonly stopAfter: number;
  /** From the last one on. */
  readonly memoryMs: number;
}

/** Requests of one network. The window begins with the first, and then begins anew. */
export interface NetworkRule {
  readonly most: number;
  readonly windowMs: number;
}

/** What a network does that is limited; failures only, but for `register`, where every one counts. */
export type NetworkBucket = "login" | "reauthenticate" | "enrol" | "register" | "suspicious";

export type NetworkRules = Readonly<Record<NetworkBucket, NetworkRule>>;

const MINUTE = 60_000;
const DAY = 1_440 * MINUTE;

/** 100 guesses take at least 21 hours, and NIST allows no more; a user who mistypes waits a second. */
export const ACCOUNT_RULE: AccountRule = {
  ...{ freeFailures: 5, firstDelayMs: 1_000, longestDelayMs: 15 * MINUTE },
  ...{ stopAfter: 100, memoryMs: 30 * DAY },
};

/** `suspicious`: forged requests, and tokens of the right form that are nobody's. */
export const NETWORK_RULES: NetworkRules = {
  login: { most: 20, windowMs: 10 * MINUTE },
  reauthenticate: { most: 20, windowMs: 10 * MINUTE },
  enrol: { most: 20, windowMs: 10 * MINUTE },
  register: { most: 20, windowMs: 60 * MINUTE },
  suspicious: { most: 300, windowMs: MINUTE },
};

export interface ThrottleOptions {
  readonly driver: ScriptRunner;
  readonly keys: ServerKeys;
  /** Hides names and addresses in the names of keys; the same in every server. 32 random bytes. */
  readonly key: Uint8Array;
  readonly account?: AccountRule;
  readonly networks?: NetworkRules;
}

/** Whose failures count together: those at a name, or those of one known device at that name. */
export interface AccountKey {
  /** Canonical, so that no other spelling has a bucket of its own. */
  readonly username: string;
  /** What `DeviceMarks.deviceOf` says: a stranger's failures are not this device's. */
  readonly device: string | undefined;
}

/** Of HMAC-SHA-256, in the names of keys: 128 bits, so no two names meet. */
const OPAQUE_BYTES = 16;
const KEY_MIN_BYTES = 32;

export class Throttle {
  readonly #driver: ScriptRunner;
  readonly #keys: ServerKeys;
  readonly #key: Uint8Array;
  readonly #account: AccountRule;
  readonly #networks: NetworkRules;

  /** Throws `RangeError` for a key that is too short. */
  constructor({ driver, keys, key, account, networks }: ThrottleOptions) {
    if (key.length < KEY_MIN_BYTES) {
      throw new RangeError(`key must be at least ${KEY_MIN_BYTES} random bytes`);
    }
    this.#driver = driver;
    this.#keys = keys;
    this.#key = key;
    this.#account = account ?? ACCOUNT_RULE;
    this.#networks = networks ?? NETWORK_RULES;
  }

  /** Counts an attempt at an account, in advance as a failure, or says when to come back. */
  async reserveInAccount(account: AccountKey): Promise<Admission> {
    const { freeFailures, firstDelayMs, longestDelayMs, stopAfter, memoryMs } = this.#account;
    const rule = [freeFailures, firstDelayMs, longestDelayMs, stopAfter, memoryMs];
    const args = rule.map(String);
    return admission(
      await this.#driver.script(RESERVE_IN_ACCOUNT, [this.#accountBucket(account)], args),
    );
  }

  /** The attempt succeeded: the next failure is the first again. */
  async clearAccount(account: AccountKey): Promise<void> {
    await this.#driver.script(CLEAR_ACCOUNT, [this.#accountBucket(account)], []);
  }

  /** The attempt was not judged after all. */
  async giveBackToAccount(account: AccountKey): Promise<void> {
    await this.#driver.script(GIVE_BACK_TO_ACCOUNT, [this.#accountBucket(account)], []);
  }

  /** Counts a request of a network, in advance as a failure, or says when to come back. */
  async reserveInNetwork(bucket: NetworkBucket, network: Network): Promise<Admission> {
    const { most, windowMs } = this.#networks[bucket];
    const key = this.#networkBucket(bucket, network);
    return admission(
      await this.#driver.script(RESERVE_IN_NETWORK, [key], [String(most), String(windowMs)]),
    );
  }

  /** It was no failure. What others of the network did is not forgiven with it. */
  async giveBackToNetwork(bucket: NetworkBucket, network: Network): Promise<void> {
    await this.#driver.script(GIVE_BACK_TO_NETWORK, [this.#networkBucket(bucket, network)], []);
  }

  #accountBucket({ username, device }: AccountKey): string {
    return this.#keys.accountBucket(this.#opaque(["account", username, device ?? null]));
  }

  #networkBucket(bucket: NetworkBucket, network: Network): string {
    return this.#keys.networkBucket(this.#opaque(["network", bucket, network]));
  }

  /** Who reads the keys of Redis learns no name that was tried: people type passwords there. */
  #opaque(parts: readonly (string | null)[]): string {
    const mac = createHmac("sha256", this.#key).update(JSON.stringify(parts)).digest();
    return mac.subarray(0, OPAQUE_BYTES).toString("base64url");
  }
}

function admission(reply: readonly unknown[]): Admission {
  const [word, waitMs] = reply;
  if (word === "admitted") return { outcome: "admitted" };
  if (word === "throttled" && typeof waitMs === "number") {
    return { outcome: "throttled", retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1_000)) };
  }
  throw unexpected(reply);
}
