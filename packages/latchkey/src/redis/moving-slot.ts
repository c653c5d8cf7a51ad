/**
 * Load and revoke while their slot moves from one node of a Cluster to another. Its keys are then on
 * two nodes, and a script of several keys is answered TRYAGAIN if one of them is missing, which of an
 * ordinary session always one is. A key alone is found wherever it is.
 *
 * Not atomic, so the order counts: what could end the session is read after what it ends.
 */
import { parseSessionId } from "../core/token.ts";
import { number, RECORD_MAX_FIELDS, unreadable } from "./codec.ts";
import type { Moving } from "./driver.ts";
import { END, PEEK } from "./scripts.generated.ts";

type Run = Parameters<Moving>[0];

/** Where a session is kept. */
export interface Places {
  readonly session: string;
  readonly record: string;
  readonly next: string;
  readonly barrier: string;
}

type Reply = readonly unknown[];

const USER_MAX_BYTES = 256;

/** What load.lua would answer. */
export async function loadMoving(run: Run, places: Places): Promise<Reply> {
  const [, user, deadline] = await run(PEEK, places.session, ["string"]);
  if (user === undefined) return successor(run, places, (reply) => reply);
  if (deadline === undefined) return ["corrupt", "the session key holds no string"];
  if (Buffer.byteLength(String(user)) > USER_MAX_BYTES)
    return ["corrupt", "the username is too long"];
  if (number(deadline) < 0) return ["corrupt", "the session key has no deadline"];

  const [, kind, ...fields] = await run(PEEK, places.record, ["hash", String(RECORD_MAX_FIELDS)]);
  if (kind === "foreign") return ["corrupt", "the record key holds no hash of ours"];
  // Rotated or revoked since? Then the record may be that of another moment, or gone without it.
  const [now, again, end] = await run(PEEK, places.session, ["string"]);
  if (again === undefined) return successor(run, places, (reply) => reply);
  if (again !== user) return ["missing"];

  const absolute = numberField(fields, "a") ?? number(end);
  const born = numberField(fields, "g") ?? 0;
  if (!Number.isFinite(absolute + born))
    return ["corrupt", "an instant of the record is no number"];
  const [, generation = "0"] = await run(PEEK, places.barrier, ["score", String(user)]);
  if (Math.min(number(end), absolute) <= number(now)) return ["missing"];
  if (user !== "" && Number(generation) > born) return ["missing"];
  return ["found", now, user, end, ...fields];
}

/** What revoke.lua would answer, but for the record and the index, which it leaves to their ends. */
export async function revokeMoving(run: Run, places: Places, owner: string): Promise<Reply> {
  const reply = await run(END, places.session, [owner]);
  if (reply[0] === "revoked") return reply;
  const [, user] = await run(PEEK, places.session, ["string"]);
  if (user !== undefined) return ["absent"];
  return successor(run, places, ([outcome, sid]) =>
    outcome === "moved" ? [outcome, sid] : ["absent"],
  );
}

/** Of a session that is not there: what it became, as load.lua says it. */
async function successor(run: Run, places: Places, as: (reply: Reply) => Reply): Promise<Reply> {
  const [now, note] = await run(PEEK, places.next, ["string"]);
  const [, ends, sid = "", hash] = /^(-?\d+) ([\w-]+) ?([\w-]*)$/.exec(String(note ?? "")) ?? [];
  if (ends === undefined) return as(["missing"]);
  if (parseSessionId(sid) === undefined) throw unreadable("a note names no session id");
  // Negative: ended at once, then.
  const left = Math.abs(Number(ends)) - number(now);
  return as(["moved", sid, hash, Number(ends) < 0 ? Math.min(left, 0) : left]);
}

function numberField(fields: Reply, name: string): number | undefined {
  for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return Number(fields[i + 1]);
  return undefined;
}
