/** Replies of the scripts → records. Parses field by field: anyone may have written to Redis. */
import { SessionError } from "../core/errors.ts";
import type { SessionRecord } from "../core/record.ts";
import { DATA_MAX_FIELDS, type LoadOutcome } from "../core/store.ts";
import { parseSessionId, type SessionId } from "../core/token.ts";

/** Fields of a record beside the data: see scripts/include/session.lua. */
const OWN_FIELDS = 7;
/** A hash with more was not written by us. */
export const RECORD_MAX_FIELDS: number = DATA_MAX_FIELDS + OWN_FIELDS;

const SECRET_HASH = /^[A-Za-z0-9_-]{43}$/;
const WHOLE_NUMBER = /^\d{1,15}$/;

/** The last instant that JavaScript can name. */
const INSTANT_MAX = 8.64e15;

/** The reply of load.lua. Throws "store-unavailable" if it answers another request. */
export function decodeLoad(reply: unknown, sid: SessionId, key: string): LoadOutcome {
  const [echo, outcome, ...rest] = array(reply);
  // A broken byte stream can shift replies from one request to the next. Serving one would be
  // serving somebody else's session.
  if (echo !== key) throw unreadable("the reply belongs to another request");
  if (outcome === "missing") return { outcome };
  if (outcome === "corrupt") return { outcome, reason: String(rest[0]) };
  const [now, user, deadline, ...fields] = rest;
  if (outcome !== "found" || typeof user !== "string") throw unreadable("load.lua: bad reply");
  return decodeRecord(sid, user, number(now), number(deadline), fields);
}

/** The reply of list.lua: its live sessions. */
export function decodeList(reply: unknown, user: string): readonly SessionRecord[] {
  const [now, ...rows] = array(reply);
  return rows.flatMap((row) => {
    const [text, deadline, ...fields] = array(row);
    const sid = parseSessionId(String(text));
    if (sid === undefined) return [];
    const loaded = decodeRecord(sid, user, number(now), number(deadline), fields);
    return loaded.outcome === "found" ? [loaded.record] : [];
  });
}

/** @param parts field, value, field, value… of the record */
function decodeRecord(
  sid: SessionId,
  user: string,
  now: number,
  deadline: number,
  parts: readonly unknown[],
): LoadOutcome {
  const own = new Map<string, string>();
  const data = new Map<string, string>();
  for (let i = 0; i < parts.length; i += 2) {
    const [name, value] = [String(parts[i]), String(parts[i + 1])];
    if (name.startsWith(":")) data.set(name.slice(1), value);
    else own.set(name, value);
  }
  for (const name of ["c", "l", "a", "g", "v"]) {
    if (!WHOLE_NUMBER.test(own.get(name) ?? "0")) return corrupt(`field ${name} of the record`);
  }
  if (user.includes("\uFFFD")) return corrupt("the username is no UTF-8");
  if (deadline > INSTANT_MAX) return corrupt("the deadline is beyond all dates");
  const secretHash = own.get("s");
  if (secretHash !== undefined && !SECRET_HASH.test(secretHash)) return corrupt("secret hash");
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
    lastSeenAt: at("l") ?? at("c"),
    ...{ absoluteExpiresAt, expiresAt, remainingMs: expiresAt - now },
    version: at("v") ?? 0,
    device: own.get("d"),
    data,
  };
  return { outcome: "found", record };
}

/** The parts of a reply. Throws "store-unavailable" if it has none. */
export function array(reply: unknown): readonly unknown[] {
  if (Array.isArray(reply)) return reply;
  throw unreadable("a script answered no array");
}

/** A number of a reply. Throws "store-unavailable" if it is none. */
export function number(part: unknown): number {
  if (typeof part === "number" && Number.isSafeInteger(part)) return part;
  throw unreadable("a script answered no number");
}

export function unreadable(message: string): SessionError {
  return new SessionError("store-unavailable", message);
}

function corrupt(reason: string): LoadOutcome {
  return { outcome: "corrupt", reason };
}
