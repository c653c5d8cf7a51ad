/**
 * The secrets of the server, and the keys that are derived from them. Servers of one Redis share a
 * ring. Its first key signs, all of them verify: a new one is added last, put first once every server
 * knows it, and the old one is removed when nothing that it signed is needed any more.
 */
import { createHash, hkdfSync } from "node:crypto";

/** What a key is for. Keys of two purposes tell nothing of each other. */
export type KeyPurpose = "csrf" | "log" | "pepper" | "device" | "throttle";

export interface PurposeKey {
  /** Of the secret that it is derived from: 1 to 32 of `A-Z a-z 0-9 _ -`. No secret itself. */
  readonly id: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

/** As long as the output of the hash that they are used with (RFC 2104 §3). */
const SECRET_MIN_BYTES = 32;
const SECRET_MAX_BYTES = 128;
/** A key that must be tried costs time in every check that fails. */
const RING_MAX = 8;
/** 32 random bytes have 30 different ones on average, and fewer than 16 once in ten billion keys. */
const DIFFERENT_BYTES_MIN = 16;
const ENTRY = /^([\w-]{1,32}):((?:[0-9a-f]{2})+)$/i;

/** What people try with, and what our own documents show: all of it is known to everybody. */
const EXAMPLE_WORDS = ["", "secret", "password", "changeme", "change-me", "test", "latchkey"];
const EXAMPLES: ReadonlySet<string> = new Set([
  ...EXAMPLE_WORDS.map((word) => createHash("sha256").update(word).digest("hex")),
  // docs/guide/production.md
  "b04f5c2ae04622cdea132daabf9338043177d41d1538140422bbe46c90a3eda1",
]);

/** Prints and serializes without its secrets. */
export class KeyRing {
  /** In the order of the ring. */
  readonly ids: readonly string[];
  readonly #secrets: ReadonlyMap<string, Buffer>;

  /** @param secrets by id, at least one; checked by `parseKeyRing` */
  constructor(secrets: ReadonlyMap<string, Buffer>) {
    this.ids = [...secrets.keys()];
    this.#secrets = secrets;
  }

  /** Of the first secret: for whatever is signed, sealed or hashed now. */
  keyFor(purpose: KeyPurpose): PurposeKey {
    const [first] = this.keysFor(purpose);
    if (first === undefined) throw new TypeError("a key ring has at least one key");
    return first;
  }

  /** Of each secret, the first one first: for whatever is verified. */
  keysFor(purpose: KeyPurpose): readonly PurposeKey[] {
    return [...this.#secrets].map(([id, secret]) => ({ id, key: derive(secret, purpose) }));
  }
}

/** `id:hex`, several by comma or line break → a ring; or what is wrong with it, without a value. */
export function parseKeyRing(text: string): KeyRing | string {
  const entries = text
    .split(/[,\n]/)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
  if (entries.length === 0) return "has no key in it";
  if (entries.length > RING_MAX) return `has more than ${RING_MAX} keys`;
  const secrets = new Map<string, Buffer>();
  for (const [index, entry] of entries.entries()) {
    const [, id = "", hex = ""] = ENTRY.exec(entry) ?? [];
    if (hex === "") return `must be id:hex,id:hex,…; entry ${index + 1} is not`;
    if (secrets.has(id)) return "has two keys of one id";
    const secret = Buffer.from(hex, "hex");
    const problem = weakness(secret);
    if (problem !== undefined) return `${problem} (entry ${index + 1})`;
    if ([...secrets.values()].some((other) => other.equals(secret))) {
      return "has one key under two ids";
    }
    secrets.set(id, secret);
  }
  return new KeyRing(secrets);
}

/** Why it is no random secret; undefined: it may well be one. */
function weakness(secret: Buffer): string | undefined {
  if (secret.length < SECRET_MIN_BYTES || secret.length > SECRET_MAX_BYTES) {
    return `must have ${SECRET_MIN_BYTES} to ${SECRET_MAX_BYTES} random bytes a key, two digits each`;
  }
  if (EXAMPLES.has(secret.toString("hex"))) return "has a key that is published as an example";
  const isRandom =
    new Set(secret).size >= DIFFERENT_BYTES_MIN &&
    !isRepetition(secret) &&
    !isSequence(secret) &&
    !secret.every(isPrintable);
  return isRandom ? undefined : "has a key that is not random: openssl rand -hex 32 makes one";
}

/** A shorter text, over and over. */
function isRepetition(secret: Buffer): boolean {
  for (let length = 1; length <= secret.length / 2; length += 1) {
    if (secret.subarray(length).equals(secret.subarray(0, -length))) return true;
  }
  return false;
}

/** Counting up or down, by any step. */
function isSequence(secret: Buffer): boolean {
  const step = (at: number): number => ((secret[at] ?? 0) - (secret[at - 1] ?? 0)) & 0xff;
  return secret.every((_, at) => at < 2 || step(at) === step(1));
}

/** A phrase that was turned into hex: random bytes are all of this kind once in 10^13 keys. */
function isPrintable(byte: number): boolean {
  return byte >= 0x20 && byte < 0x7f;
}

/** HKDF (RFC 5869). The secret is random already, so it needs no salt (§3.1). */
function derive(secret: Buffer, purpose: KeyPurpose): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", secret, "", `latchkey ${purpose} v1`, 32));
}
