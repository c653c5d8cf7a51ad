/** The steps that the checks of a rotation are made of. */
import assert from "node:assert/strict";
import type { SessionRecord } from "../../core/record.ts";
import type { Reauthentication, Rotation, SessionStore } from "../../core/store.ts";
import { hashSecret, type SessionId } from "../../core/token.ts";
import { FIXED, MARGIN } from "./steps.ts";

/** Longer than a test runs on any machine; time passes by `elapse` alone. */
export const GRACE: number = 2 * MARGIN;
export const NEW_HASH: string = hashSecret("fedcba9876543210fedcba9876543210");

/** A new secret under the same id; without secret, or without a grace, a new id. */
export function rotation(
  store: SessionStore,
  record: SessionRecord,
  wish: Partial<Rotation>,
): Rotation {
  const { sid, user, secretHash } = record;
  const { graceMs = GRACE } = wish;
  const isMove = secretHash === undefined || graceMs === 0;
  const next = {
    sid: isMove ? store.mintId(user, sid) : sid,
    secretHash: secretHash && NEW_HASH,
    seed: isMove ? undefined : "seed",
  };
  return { ...{ sid, user, secretHash, next, graceMs, login: undefined }, ...wish };
}

/** A new login: a new id, at once. */
export function renewal(
  store: SessionStore,
  record: SessionRecord,
  login: Partial<Reauthentication> = {},
): Rotation {
  const { user, sid, secretHash } = record;
  const hash = secretHash === undefined ? undefined : NEW_HASH;
  return rotation(store, record, {
    next: { sid: store.mintId(user, sid), secretHash: hash, seed: undefined },
    graceMs: 0,
    login: { life: FIXED, generation: undefined, device: undefined, ...login },
  });
}

export async function rotated(store: SessionStore, wish: Rotation): Promise<SessionId> {
  const outcome = await store.rotate(wish);
  assert.equal(outcome.outcome, "rotated");
  return wish.next.sid;
}
