/**
 * Slot steering: how every key of one user lives in one hash slot while the session key stays
 * literally `session:<sid>`.
 *
 * Redis Cluster places a key in slot CRC16(key) mod 16384, or CRC16 of what stands between the
 * first `{` and the next `}`. The usual way to keep keys together is such a hash tag, but the name
 * `session:<sid>` has none. We need none, because CRC16 is linear: feeding a byte moves the
 * register by shifts and XORs only, so after the first characters of a key left the register at
 * `state`, three more characters give
 *
 *     crc(key + abc)  =  advance(state by 3 zero bytes)  XOR  crc(abc)
 *
 * and the two halves do not know each other. The right half has only 64³ = 262,144 values. We sort
 * them once by the slot they lead to (16384 buckets, 8 to 23 suffixes in each, 1 MiB, some 10 ms).
 * Minting an id for a user is then: draw 21 characters at random, look at which bucket leads from
 * there to the slot of `{user:<name>}`, draw one of its suffixes.
 *
 * What it costs: 3 of the 24 characters carry at least 3 bits (8 suffixes) instead of 18. 21 × 6 + 3
 * = 129 bits stay random, above the 128 that OWASP ASVS 7.2.3 asks of a session id. What it tells:
 * the 14 bits of the slot, which anyone who knows the username can compute, and nothing more.
 *
 * What it buys: login with index and cap, rotation and the start of "log out everywhere" are each
 * one atomic script, on one Redis and on a Cluster alike.
 *
 * CRC16 and the hash tag: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
 */
import type { RandomBytes } from "../core/token.ts";

export const SLOT_COUNT = 16_384;
/** First and last. */
export const ALL_SLOTS: readonly [number, number] = [0, SLOT_COUNT - 1];
const SID_LENGTH = 24;
const SUFFIX_LENGTH = 3;
const FREE_LENGTH = SID_LENGTH - SUFFIX_LENGTH;
/** 16 bytes make 22 base64url characters; the first 21 of them are whole, 6 random bits each. */
const FREE_BYTES = 16;
/** A 32-bit draw among at most 23 suffixes is uneven by less than 2⁻²⁷: not worth a retry loop. */
const PICK_BYTES = 4;
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const SUFFIX_COUNT = ALPHABET.length ** SUFFIX_LENGTH;

/** The slot of a key, by Redis Cluster's own rule, hash tags included. Pure. */
export function slotOf(key: string): number {
  return crc16(0, hashed(key)) % SLOT_COUNT;
}

/**
 * A new session id whose key `prefix + sid` lies in `slot`. 24 characters of base64url.
 *
 * @param prefix what stands before the id in the key; without braces, else Redis would hash a part
 * @param slot 0 to 16383, e.g. `slotOf("{user:ada}:sessions")`
 */
export function mintSteered(prefix: string, slot: number, random: RandomBytes): string {
  const bytes = random(FREE_BYTES + PICK_BYTES);
  const free = base64url(bytes.subarray(0, FREE_BYTES)).slice(0, FREE_LENGTH);
  const pick = uint32(bytes, FREE_BYTES);
  return free + suffixInto(slot, prefix + free, pick);
}

/** A new session id in no particular slot: for a visitor whom no user key concerns. */
export function mintFree(random: RandomBytes): string {
  // 18 bytes are exactly 24 characters: no spare bits, so one id has one spelling.
  return base64url(random(18));
}

/**
 * The one key of the form `prefix + 3 characters` that stands for a slot: always the same for a slot,
 * so it can be found from any key in it.
 */
export function anchorOf(prefix: string, slot: number): string {
  return prefix + suffixInto(slot, prefix, 0);
}

/** One of the suffixes that complete `start` to a key in `slot`: the one numbered `pick`, modulo. */
function suffixInto(slot: number, start: string, pick: number): string {
  table ??= buildTable();
  const state = crc16(0, Buffer.from(start));
  const bucket = slot ^ (crc16(state, Buffer.alloc(SUFFIX_LENGTH)) % SLOT_COUNT);
  const from = table.starts[bucket] ?? 0;
  const count = (table.starts[bucket + 1] ?? 0) - from;
  return suffixText(table.suffixes[from + (pick % count)] ?? 0);
}

interface SuffixTable {
  /** All suffixes, as numbers of three base-64 digits, sorted by the slot of their own CRC. */
  readonly suffixes: Uint32Array;
  /** `starts[b]` to `starts[b + 1]` is the range of bucket b in `suffixes`. */
  readonly starts: Uint32Array;
}

/** Built when the first store is opened, not at import. */
let table: SuffixTable | undefined;

/** A counting sort of the 262,144 suffixes by bucket. */
function buildTable(): SuffixTable {
  const bucketOf = new Uint16Array(SUFFIX_COUNT);
  const starts = new Uint32Array(SLOT_COUNT + 1);
  for (let suffix = 0; suffix < SUFFIX_COUNT; suffix++) {
    let crc = 0;
    for (const shift of [12, 6, 0]) crc = step(crc, ALPHABET.charCodeAt((suffix >> shift) & 63));
    const bucket = crc % SLOT_COUNT;
    bucketOf[suffix] = bucket;
    starts[bucket + 1] = (starts[bucket + 1] ?? 0) + 1;
  }
  for (let bucket = 1; bucket <= SLOT_COUNT; bucket++) {
    starts[bucket] = (starts[bucket] ?? 0) + (starts[bucket - 1] ?? 0);
  }
  const next = starts.slice();
  const sorted = new Uint32Array(SUFFIX_COUNT);
  for (let suffix = 0; suffix < SUFFIX_COUNT; suffix++) {
    const bucket = bucketOf[suffix] ?? 0;
    const place = next[bucket] ?? 0;
    sorted[place] = suffix;
    next[bucket] = place + 1;
  }
  return { suffixes: sorted, starts };
}

function suffixText(suffix: number): string {
  return (
    ALPHABET.charAt((suffix >> 12) & 63) +
    ALPHABET.charAt((suffix >> 6) & 63) +
    ALPHABET.charAt(suffix & 63)
  );
}

/** The part of a key that Redis hashes: what stands in the first non-empty `{…}`, else all. */
function hashed(key: string): Buffer {
  const open = key.indexOf("{");
  const close = open < 0 ? -1 : key.indexOf("}", open + 1);
  return Buffer.from(close > open + 1 ? key.slice(open + 1, close) : key);
}

/** CRC16-CCITT (XMODEM): polynomial 0x1021, register starts at 0, nothing reflected. */
function crc16(start: number, bytes: Uint8Array): number {
  let crc = start;
  for (const byte of bytes) crc = step(crc, byte);
  return crc;
}

function step(crc: number, byte: number): number {
  return ((crc << 8) & 0xffff) ^ (CRC_TABLE[(crc >> 8) ^ byte] ?? 0);
}

const CRC_TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc;
});

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}

function uint32(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset);
}
