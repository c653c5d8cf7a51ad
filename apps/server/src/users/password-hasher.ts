/**
 * Passwords to hashes, and back to yes or no, by argon2id. What is stored is a PHC string,
 * `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`; with a pepper, the id of its key stands before it.
 *
 * Every check computes exactly one hash, whether or not there is a user: without one, against a hash
 * that nothing matches. So neither time nor load tells which names exist.
 */
import { createHmac } from "node:crypto";
import { availableParallelism } from "node:os";
import { hash, parseOptions, verify } from "@node-rs/argon2";
import { type RandomBytes, systemRandom } from "latchkey";
import { KdfQueue } from "./kdf-queue.ts";
import type { Password } from "./password.ts";

/** A key that is kept apart from the database: without it, a stolen hash cannot even be guessed at. */
export interface Pepper {
  /** 1 to 32 of `A-Z a-z 0-9 _ -`; stands in the database. */
  readonly id: string;
  /** 32 random bytes or more. */
  readonly key: Uint8Array;
}

export interface PasswordHasherOptions {
  /** OWASP's advice is the default: 19,456 KiB, 2 passes, 1 lane; some 15 ms of a core. */
  readonly memoryKib?: number;
  readonly passes?: number;
  /** The first is used for new hashes, all are for checks. Default: none. */
  readonly peppers?: readonly Pepper[];
  /** Hashes computed at once, 1 to 64. Default: the cores of this machine, at most 4: see below. */
  readonly concurrency?: number;
  /** Who may wait for them, 0 to 10,000. Default 64: a second of waiting on one core. */
  readonly waitingMax?: number;
  readonly random?: RandomBytes;
}

interface Hash {
  readonly phc: string;
  readonly pepper: Pepper | undefined;
}

export type Verdict = "match" | "wrong" | "busy";

export const MEMORY_KIB = 19_456;
export const PASSES = 2;
const LANES = 1;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** libuv has four threads for all work of this kind; more hashes at once would only wait there. */
const CONCURRENCY_MAX = 4;
const WAITING_MAX = 64;
const PEPPER_KEY_MIN_BYTES = 32;
const PEPPER_ID = /^[\w-]{1,32}$/;
/** Names the construction: another one some day must not give the same bytes. */
const PEPPER_LABEL = "latchkey password ";

export class PasswordHasher {
  readonly #cost: { readonly memoryCost: number; readonly timeCost: number };
  readonly #peppers: readonly Pepper[];
  readonly #queue: KdfQueue;
  /** A hash of nothing, of the same cost as the others. */
  readonly #nobody: Hash;
  #computed = 0;

  /** Throws `RangeError` for a bad option, with its name. */
  constructor(options: PasswordHasherOptions = {}) {
    const { peppers = [], random = systemRandom } = options;
    checkPeppers(peppers);
    this.#peppers = peppers;
    this.#cost = {
      memoryCost: whole(options.memoryKib ?? MEMORY_KIB, "memoryKib", 8, 4_194_304),
      timeCost: whole(options.passes ?? PASSES, "passes", 1, 1_000),
    };
    const cores = Math.min(availableParallelism(), CONCURRENCY_MAX);
    this.#queue = new KdfQueue({
      concurrency: whole(options.concurrency ?? cores, "concurrency", 1, 64),
      waitingMax: whole(options.waitingMax ?? WAITING_MAX, "waitingMax", 0, 10_000),
    });
    const { memoryCost, timeCost } = this.#cost;
    const cost = `m=${memoryCost},t=${timeCost},p=${LANES}`;
    const [salt, never] = [base64(random(SALT_BYTES)), base64(random(HASH_BYTES))];
    this.#nobody = { phc: `$argon2id$v=19$${cost}$${salt}$${never}`, pepper: peppers[0] };
  }

  /** Hashes computed since the start, for metrics: checks and new ones. */
  get computed(): number {
    return this.#computed;
  }

  /** Callers that wait for their turn now. */
  get waiting(): number {
    return this.#queue.waiting;
  }

  /** What to store. "busy": nothing was computed, say so with a Retry-After. */
  async hash(password: Password, signal?: AbortSignal): Promise<{ stored: string } | "busy"> {
    const [pepper] = this.#peppers;
    return this.#queue.run(async () => {
      this.#computed++;
      const phc = await hash(seasoned(password, pepper), { ...this.#cost, parallelism: LANES });
      return { stored: (pepper?.id ?? "") + phc };
    }, signal);
  }

  /**
   * Whether `password` is the one behind `stored`; undefined, for whoever has none and may not log
   * in, takes as long and is "wrong". So is what is no hash of ours, or has a pepper we do not know.
   */
  async verify(
    password: Password,
    stored: string | undefined,
    signal?: AbortSignal,
  ): Promise<Verdict> {
    const known = this.#parse(stored ?? "");
    const { phc, pepper } = known ?? this.#nobody;
    const verdict = await this.#queue.run(async () => {
      this.#computed++;
      return verify(phc, seasoned(password, pepper));
    }, signal);
    if (verdict === "busy") return "busy";
    return verdict && known !== undefined ? "match" : "wrong";
  }

  /** Whether new hashes cost more by now, or have another pepper. Never for one that costs more. */
  needsRehash(stored: string): boolean {
    const known = this.#parse(stored);
    if (known === undefined) return true;
    const { memoryCost, timeCost, outputLen, saltLen } = parseOptions(known.phc);
    const isCheaper = memoryCost < this.#cost.memoryCost || timeCost < this.#cost.timeCost;
    const isShorter = outputLen < HASH_BYTES || saltLen < SALT_BYTES;
    return isCheaper || isShorter || known.pepper !== this.#peppers[0];
  }

  /** Undefined: nothing that we could check. */
  #parse(stored: string): Hash | undefined {
    const [, id = "", phc = ""] = /^([\w-]{0,32})(\$argon2id\$.{1,500})$/.exec(stored) ?? [];
    const pepper = this.#peppers.find((one) => one.id === id);
    if (!isPhc(phc) || (id !== "" && pepper === undefined)) return undefined;
    return { phc, pepper };
  }
}

/** What argon2 gets: the password, or with a pepper its HMAC; as text, for it checks no other bytes. */
function seasoned(password: Password, pepper: Pepper | undefined): string {
  if (pepper === undefined) return password;
  return createHmac("sha256", pepper.key).update(PEPPER_LABEL).update(password).digest("base64url");
}

function isPhc(phc: string): boolean {
  try {
    return parseOptions(phc).outputLen > 0;
  } catch {
    return false;
  }
}

function checkPeppers(peppers: readonly Pepper[]): void {
  for (const { id, key } of peppers) {
    if (!PEPPER_ID.test(id)) throw new RangeError("peppers: an id has 1 to 32 of A-Z a-z 0-9 _ -");
    if (key.length < PEPPER_KEY_MIN_BYTES) {
      throw new RangeError(`peppers: the key ${id} has less than ${PEPPER_KEY_MIN_BYTES} bytes`);
    }
  }
  if (new Set(peppers.map(({ id }) => id)).size < peppers.length) {
    throw new RangeError("peppers: two have the same id");
  }
}

function whole(value: number, name: string, min: number, max: number): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw new RangeError(`${name} must be a whole number from ${min} to ${max}`);
}

/** As PHC strings have it: the standard alphabet without padding. */
function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replaceAll("=", "");
}
