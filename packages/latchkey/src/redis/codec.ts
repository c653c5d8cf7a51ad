/** Replies of the scripts → records. Parses field by field: anyone may have written to Redis. */
import { SessionError } from "../core/errors.ts";
import type { PreviousToken, SessionRecord } from "../core/record.ts";
import { DATA_MAX_FIELDS, type Listing, type LoadOutcome } from "../core/store.ts";
import { parseSessionId, type SessionId } from "../core/token.ts";

/** Fields of a record beside the data: see scripts/include/session.lua. */
const OWN_FIELDS = 10;
/** A hash with more was not written by us. */
export const RECORD_MAX_FIELDS: number = DATA_MAX_FIELDS + OWN_FIELDS;

const SECRET_HASH = /^[A-Za-z0-9_-]{43}$/;
const WHOLE_NUMBER = /^\d{1,15}$/;

/** The last instant that JavaScript can name. */
const INSTANT_MAX = 8.64e15;

/** The reply of load.lua, of one id: what it became is for the caller to load. */
export type Loaded =
  | Exclude<LoadOutcome, { outcome: "rotated" }>
  | {
      readonly outcome: "moved";
      readonly to: SessionId;
      readonly previous: PreviousToken;
    };

/** Throws "store-unavailable" for what load.lua never answers. */
export function decodeLoad(reply: readonly unknown[], sid: SessionId): Loaded {
  const [outcome, ...rest] = reply;
  if (outcome === "missing") return { outcome };
  if (outcome === "corrupt") return { outcome, reason: String(rest[0]) };
  if (outcome === "moved") {
    const [text, hash, graceMs] = rest;
    const to = parseSessionId(String(text));
    if (to === undefined) return corrupt("what the id became is no session id");
    const secretHash = hash === "" ? undefined : String(hash);
    return { outcome, to, previous: { secretHash, graceMs: number(graceMs) } };
  }
  const [now, user, deadline, ...fields] = rest;
  if (outcome !== "found" || typeof user !== "string") throw unreadable("load.lua: bad reply");
  return decodeRecord(sid, user, number(now), number(deadline), fields);
}

export interface ListedBatch extends Listing {
  /** What rotated ids have become: sessions of the list under other ids. */
  readonly moved: readonly SessionId[];
}

/** The reply of list.lua. */
export function decodeList(reply: readonly unknown[], user: string): ListedBatch {
  const [now, rows, moved, expired] = reply;
  const records = array(rows).flatMap((row) => {
    const [text, deadline, ...fields] = array(row);
    const loaded = decodeRecord(sessionId(text), user, number(now), number(deadline), fields);
    return loaded.outcome === "found" ? [loaded.record] : [];
  });
  return { records, moved: sessionIds(moved), expired: sessionIds(expired) };
}

/** @param parts field, value, field, value… of the record */
function decodeRecord(
  sid: SessionId,
  user: string,
  now: number,
  deadline: number,
  parts: readonly unknown[],
): Exclude<Loaded, { outcome: "moved" }> {
  const own = new Map<string, string>();
  const data = new Map<string, string>();
  for (let i = 0; i < parts.length; i += 2) {
    const [name, value] = [String(parts[i]), String(parts[i + 1])];
    if (name.startsWith(":")) data.set(name.slice(1), value);
    else own.set(name, value);
  }
  for (const name of ["c", "l", "a", "g", "v", "t", "q"]) {
    if (!WHOLE_NUMBER.test(own.get(name) ?? "0")) return corrupt(`field ${name} of the record`);
  }
  if (user.includes("\uFFFD")) return corrupt("the username is no UTF-8");
  if (deadline > INSTANT_MAX) return corrupt("the deadline is beyond all dates");
  const [secretHash, previousHash] = [own.get("s"), own.get("p")];
  for (const hash of [secretHash, previousHash]) {
    if (hash !== undefined && !SECRET_HASH.test(hash)) return corrupt("secret hash");
  }
  const at = (name: string): number | undefined =>
    own.has(name) ? Number(own.get(name)) : undefined;
  const absoluteExpiresAt = at("a");
  // The string's own deadline may have been moved by hand; the record's end still holds.
  const expiresAt = Math.min(deadline, absoluteExpiresAt ?? deadline);
  const record: SessionRecord = {
    sid,
    user: user === "" ? undefined : user,
    secretHash,
    createdAt: at("c"),
    authTime: at("t") ?? at("c"),
    lastSeenAt: at("l") ?? at("c"),
    ...{ absoluteExpiresAt, expiresAt, remainingMs: expiresAt - now },
    version: at("v") ?? 0,
    device: own.get("d"),
    data,
    previous:
      previousHash === undefined
        ? undefined
        : { secretHash: previousHash, graceMs: (at("q") ?? 0) - now },
  };
  return { outcome: "found", record };
}

/** The parts of a reply. Throws "store-unavailable" if it has none. */
export function array(reply: unknown): readonly unknown[] {
  if (Array.isArray(reply)) return reply;
  throw unreadable("a script answered no array");
}

/** A session id of a reply. Throws "store-unavailable" if it is none. */
export function sessionId(part: unknown): SessionId {
  const sid = parseSessionId(String(part));
  if (sid === undefined) throw unreadable("a script answered no session id");
  return sid;
}

/** The session ids in a part of a reply; what anyone else put into an index is left out. */
export function sessionIds(part: unknown): readonly SessionId[] {
  return array(part).flatMap((text) => parseSessionId(String(text)) ?? []);
}

/** A number of a reply. Throws "store-unavailable" if it is none. */
export function number(part: unknown): number {
  if (typeof part === "number" && Number.isSafeInteger(part)) return part;
  throw unreadable("a script answered no number");
}

export function unreadable(message: string): SessionError {
  return new SessionError("store-unavailable", message);
}

function corrupt(reason: string): { readonly outcome: "corrupt"; readonly reason: string } {
  return { outcome: "corrupt", reason };
}
