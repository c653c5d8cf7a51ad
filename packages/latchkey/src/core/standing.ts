/**
 * How a token stands by now, for whoever keeps a connection open on its behalf. It is the server that
 * asks, not the holder of the token: so nothing is prolonged, and no listener hears of it. A token
 * that was rotated away would else raise the alarm for a stolen one, by nothing but a page left open.
 */
import { parseFields } from "./data.ts";
import { fits, openingOf } from "./policy.ts";
import { isCaching, type SessionStore } from "./store.ts";
import { type Layout, parseToken } from "./token.ts";

export type Standing =
  | {
      readonly status: "live";
      /** When it ends if nothing else happens. Epoch ms by the store's clock. */
      readonly expiresAt: number;
      /** Milliseconds until then: counts without comparing two clocks. */
      readonly remainingMs: number;
      /** A near cache knows it by now: until something changes, looking again asks no store. */
      readonly isRemembered: boolean;
    }
  /** The session goes on, and its holder has another token for it, or another session by a login. */
  | { readonly status: "rotated" }
  /** Revoked, expired, or never there: a store does not tell which. */
  | { readonly status: "gone" }
  /** The store could not say. It is no reason to end anything. */
  | { readonly status: "unknown"; readonly cause: unknown };

const ROTATED: Standing = { status: "rotated" };
const GONE: Standing = { status: "gone" };

export async function standingOf(
  token: string,
  store: SessionStore,
  layout: Layout,
): Promise<Standing> {
  const parsed = parseToken(token, layout);
  if (parsed === undefined) return GONE;
  const cache = isCaching(store) ? store : undefined;
  const known = cache?.recall(token);
  if (known !== undefined) return live(known, true);
  try {
    const loaded = await store.load(parsed.sid);
    if (loaded.outcome === "rotated") {
      return fits(parsed.secret, loaded.secretHash) ? ROTATED : GONE;
    }
    if (loaded.outcome !== "found") return GONE;
    const { record } = loaded;
    const opening = openingOf(parsed, record);
    if (opening === "wrong" || parseFields(record.data) === undefined) return GONE;
    if (opening !== "opens") return ROTATED;
    cache?.remember(token, record);
    return live(record, cache?.recall(token) !== undefined);
  } catch (cause) {
    return { status: "unknown", cause };
  }
}

function live(
  { expiresAt, remainingMs }: { readonly expiresAt: number; readonly remainingMs: number },
  isRemembered: boolean,
): Standing {
  return { status: "live", expiresAt, remainingMs, isRemembered };
}
