/**
 * Rotation: a live session gets a new token, and keeps its data.
 *
 * Where the token has a secret, only that changes; the record keeps the hash of the one before, and
 * when its grace ends. The new secret is derived from the old one and a random seed, which the store
 * keeps until then: whoever asks again because an answer was lost gets the same token, and the store
 * alone cannot compute it.
 *
 * Where the id is the token, and without a grace (a login, a raised privilege), the id changes too:
 * then what is under way with the old one finds nothing to write to. `mintId` puts the new id where
 * the store can exchange both in one step. There is nothing to ask again, and the secret is random.
 */
import type { Policy } from "./policy.ts";
import { recordWith, type SessionRecord } from "./record.ts";
import type { Held, Relogin } from "./session-actions.ts";
import type { RotateOutcome, Rotation, SessionStore } from "./store.ts";
import {
  formatToken,
  hashSecret,
  mintSecret,
  mintSeed,
  type ParsedToken,
  parseToken,
  type RandomBytes,
  successorOf,
} from "./token.ts";
import { endUnheld } from "./unheld.ts";

export interface Rotating {
  readonly store: SessionStore;
  readonly policy: Policy;
  readonly random: RandomBytes;
}

export interface RotationWish {
  readonly graceMs: number;
  /** The user has authenticated again: both clocks begin anew. Without a grace. */
  readonly login: Relogin | undefined;
}

export type Rotated =
  | { readonly outcome: "rotated" | "repeated" | "kept"; readonly held: Held }
  | { readonly outcome: "gone" | "stale" | "exists" };

/** One try; `exists` if the fresh id was taken. */
export async function rotate(parts: Rotating, held: Held, wish: RotationWish): Promise<Rotated> {
  const { layout, life } = parts.policy;
  const presented = parseToken(held.token, layout);
  if (presented === undefined) return { outcome: "gone" };
  const { login, graceMs } = wish;
  const next = successor(parts, presented, held.record, wish);
  const rotation: Rotation = {
    ...{ sid: presented.sid, user: held.record.user, graceMs },
    secretHash: hashOf(presented.secret),
    next: { sid: next.sid, secretHash: hashOf(next.secret), seed: next.seed },
    login: login && { life, generation: login.generation, device: login.device },
  };
  const rotated = await parts.store.rotate(rotation).catch((error: unknown) => {
    // With a grace the old token works on. Without one, nobody may hold a token of the session now.
    if (graceMs === 0) endUnheld(parts.store, next.sid, held.record.user);
    throw error;
  });
  switch (rotated.outcome) {
    case "rotated":
      return { outcome: "rotated", held: opened(next, renewed(held.record, rotated, login)) };
    case "repeated": {
      const { sid, seed } = rotated;
      const { secret } = presented;
      const again = secret === undefined || seed === undefined ? secret : successorOf(secret, seed);
      return { outcome: "repeated", held: opened({ sid, secret: again }, held.record) };
    }
    case "kept":
      return { outcome: "kept", held };
    default:
      return { outcome: rotated.outcome };
  }
}

interface Next extends ParsedToken {
  readonly seed: string | undefined;
}

function successor(
  { store, random }: Rotating,
  { sid, secret }: ParsedToken,
  { user }: SessionRecord,
  { graceMs }: RotationWish,
): Next {
  if (secret === undefined) return { sid: store.mintId(user, sid), secret, seed: undefined };
  if (graceMs === 0) {
    return { sid: store.mintId(user, sid), secret: mintSecret(random), seed: undefined };
  }
  const seed = mintSeed(random);
  return { sid, secret: successorOf(secret, seed), seed };
}

/** The record after the store has changed it. */
function renewed(
  record: SessionRecord,
  rotated: Extract<RotateOutcome, { outcome: "rotated" }>,
  login: Rotation["login"] | Relogin,
): SessionRecord {
  const { expiresAt, remainingMs } = rotated;
  const moved = recordWith(record, { expiresAt, remainingMs });
  // A session of which the store keeps no instants, keeps none now.
  if (login === undefined || record.createdAt === undefined) return moved;
  const now = expiresAt - remainingMs;
  const { absoluteExpiresAt } = rotated;
  const device = login.device ?? record.device;
  return { ...moved, absoluteExpiresAt, authTime: now, lastSeenAt: now, device };
}

function opened({ sid, secret }: ParsedToken, record: SessionRecord): Held {
  const token = formatToken({ sid, secret });
  const secretHash = hashOf(secret);
  return { token, record: recordWith(record, { sid, secretHash, previous: undefined }) };
}

function hashOf(secret: string | undefined): string | undefined {
  return secret === undefined ? undefined : hashSecret(secret);
}
