/**
 * Tokens: minting, parsing, hashing, comparing. The only file that draws randomness.
 *
 * In the split layout the token is `<sid>.<secret>`. The sid is a public handle; the secret is
 * known to the holder alone, and the store keeps its SHA-256. A fast hash is right here: it hides
 * 192 random bits, which no guessing shortens, not a password (OWASP ASVS 6.5.2).
 * In the literal layout the token is the sid itself.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";

/** Where random bytes come from. Cryptographically secure; tests may pass a seeded one. */
export type RandomBytes = (size: number) => Uint8Array;

/** The public handle of a session: 24 characters of base64url. Never decoded: one id, one spelling. */
export type SessionId = string & { readonly __brand: "SessionId" };

/** `split`: token `<sid>.<secret>`. `literal`: the sid alone is the token. */
export type Layout = "split" | "literal";

/** A token that has the right form. Whether it is anyone's, only the store can say. */
export interface ParsedToken {
  readonly sid: SessionId;
  /** Undefined in the literal layout. */
  readonly secret: string | undefined;
}

/** Characters of a session id; every token begins with one. */
export const SID_LENGTH = 24;

/** Characters of a token. */
export const TOKEN_LENGTH: Readonly<Record<Layout, number>> = { split: 57, literal: SID_LENGTH };

const SID = /^[A-Za-z0-9_-]{24}$/;
const SPLIT_TOKEN = /^([A-Za-z0-9_-]{24})\.([A-Za-z0-9_-]{32})$/;
/** 24 bytes are 32 characters of base64url, 192 bits. */
const SECRET_BYTES = 24;
/** 16 bytes are 22 characters of base64url, 128 bits. */
const SEED_BYTES = 16;

export const systemRandom: RandomBytes = (size) => randomBytes(size);

/** The sid in `text`, or undefined if it has the wrong length or alphabet. */
export function parseSessionId(text: string): SessionId | undefined {
  return SID.test(text) ? (text as SessionId) : undefined;
}

/** The parts of a token, or undefined if it is malformed for this layout. Asks no store. */
export function parseToken(text: string, layout: Layout): ParsedToken | undefined {
  if (layout === "literal") {
    const sid = parseSessionId(text);
    return sid && { sid, secret: undefined };
  }
  const [, id, secret] = SPLIT_TOKEN.exec(text) ?? [];
  return id === undefined ? undefined : { sid: id as SessionId, secret };
}

/** The token that a holder presents for these parts. */
export function formatToken({ sid, secret }: ParsedToken): string {
  return secret === undefined ? sid : `${sid}.${secret}`;
}

/** A fresh secret, 32 characters of base64url. */
export function mintSecret(random: RandomBytes): string {
  return Buffer.from(random(SECRET_BYTES)).toString("base64url");
}

/** What the secret after a rotation is derived with; of no use without the secret before. */
export function mintSeed(random: RandomBytes): string {
  return Buffer.from(random(SEED_BYTES)).toString("base64url");
}

/**
 * The secret that follows `secret`: the same one for whoever has both, so that a rotation whose answer
 * was lost can be asked for again. The store, which keeps the seed, cannot compute it, and neither can
 * a thief of the old secret once the grace is over.
 */
export function successorOf(secret: string, seed: string): string {
  const mac = createHmac("sha256", secret).update(`latchkey rotation ${seed}`).digest();
  return mac.subarray(0, SECRET_BYTES).toString("base64url");
}

/** What the store keeps of a secret: its SHA-256, 43 characters of base64url. */
export function hashSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("base64url");
}

/** Whether `secret` is the one behind `hash`, in a time that does not tell how far they agree. */
export function secretMatches(secret: string, hash: string): boolean {
  const presented = Buffer.from(hashSecret(secret));
  const kept = Buffer.from(hash);
  return presented.length === kept.length && timingSafeEqual(presented, kept);
}
