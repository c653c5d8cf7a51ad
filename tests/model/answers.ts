/** How a store's answer is compared with the model's. */
import assert from "node:assert/strict";
import type { NewSession, SessionId, SessionRecord } from "latchkey";
import { Model } from "./model.ts";
import type { System } from "./system.ts";

export const USERS: readonly string[] = ["ada", "{bob}", "__proto__"];
/** Between two clock readings of one machine. */
const SKEW_MS = 20;

/** What a run knows beside the sessions. */
export class Story extends Model {
  /** The generation that somebody has read, and how often all was revoked by then. */
  readonly generations = new Map<string, { readonly value: number; readonly times: number }>();
}

/** What all the commands together must have left behind. */
export async function checkAll(story: Story, system: System): Promise<void> {
  for (const user of USERS) await checkList(story, system, user, 0);
  for (const sid of story.byId.keys()) await checkLoad(story, system, sid, 1);
  assert.deepEqual(await system.endlessKeys(), []);
}

export async function checkLoad(
  story: Story,
  system: System,
  sid: SessionId,
  server: 0 | 1,
): Promise<void> {
  const before = passed(story, system);
  const loaded = await system.servers[server].load(sid);
  if (loaded.outcome === "found") {
    const now = instantOf(story, system, loaded.record, before);
    const expected = story.load(sid, now);
    assert.equal(expected.outcome, "found");
    if (expected.outcome !== "found") return;
    // Two steps for an id that was rotated: its grace is told by the first, all else by the second.
    const { previous } = loaded.record;
    const { graceMs = 0 } = expected.record.previous ?? {};
    if (previous !== undefined) checkBetween(previous.graceMs, graceMs, graceMs + now - before);
    const told = { ...loaded.record, previous: previous && { ...previous, graceMs } };
    checkRecord(story, system, told, expected.record);
  } else if (loaded.outcome === "rotated") {
    const expected = story.load(sid, passed(story, system));
    assert.ok(expected.outcome === "rotated");
    assert.equal(loaded.secretHash, expected.secretHash);
    checkBetween(
      loaded.lateMs,
      expected.lateMs - (passed(story, system) - before),
      expected.lateMs,
    );
  } else assert.deepEqual(loaded, story.load(sid, before));
}

export async function checkList(
  story: Story,
  system: System,
  user: string,
  server: 0 | 1,
): Promise<void> {
  const before = passed(story, system);
  const { records, expired } = await system.servers[server].list(user);
  const lives = story.livesOf(user, before);
  assert.deepEqual(records.map(({ sid }) => sid).sort(), lives.map(({ sid }) => sid).sort());
  const ends = records.map(({ expiresAt }) => expiresAt);
  assert.deepEqual(
    ends,
    ends.toSorted((a, b) => a - b),
  );
  for (const record of records) {
    const now = instantOf(story, system, record, before);
    const expected = story.load(record.sid, now);
    assert.ok(expected.outcome === "found");
    checkRecord(story, system, record, { ...expected.record, data: new Map() });
  }
  checkExpired(story, user, expired, passed(story, system));
}

/** Those that end first; of several that end at one millisecond, any. */
export function checkEvicted(
  story: Story,
  { user, cap }: NewSession,
  evicted: readonly SessionId[],
  now: number,
): void {
  const lives = story.livesOf(user, now);
  const excess = cap === undefined ? 0 : Math.max(0, lives.length - cap.max + 1);
  const ends = lives.map(({ expiresAt }) => expiresAt).sort((a, b) => a - b);
  const gone = evicted.map((sid) => lives.find((session) => session.sid === sid));
  assert.equal(new Set(evicted).size, evicted.length);
  assert.deepEqual(
    gone.map((session) => session?.expiresAt),
    ends.slice(0, excess),
  );
  for (const session of gone) if (session !== undefined) session.isRevoked = true;
}

/** Sessions of this user that ran out, each for the first time. */
export function checkExpired(
  story: Story,
  user: string | undefined,
  expired: readonly SessionId[],
  now: number,
): void {
  for (const sid of expired) {
    const session = story.byId.get(sid);
    assert.ok(session !== undefined && session.user === user && session.sid === sid);
    assert.ok(!session.isRevoked && session.expiresAt <= now, "it lives, or was ended");
    assert.ok(!session.isTold, "it was told before");
    session.isTold = true;
  }
}

/** When the store answered, by its own clock. */
export function instantOf(
  story: Story,
  system: System,
  told: Pick<SessionRecord, "expiresAt" | "remainingMs">,
  before: number,
): number {
  const now = told.expiresAt - told.remainingMs + system.shiftMs();
  checkBetween(now, before, system.now());
  story.passed(now);
  return now;
}

export function passed(story: Story, system: System): number {
  return story.passed(system.now());
}

export function checkRecord(
  story: Story,
  system: System,
  actual: SessionRecord,
  expected: SessionRecord,
): void {
  const isPlain = story.byId.get(expected.sid)?.isPlain === true;
  const shift = system.shiftMs();
  const told = (name: "createdAt" | "authTime" | "lastSeenAt" | "absoluteExpiresAt") => {
    const instant = actual[name];
    return instant === undefined && isPlain ? expected[name] : instant && instant + shift;
  };
  assert.deepEqual(
    {
      ...actual,
      ...{ createdAt: told("createdAt"), authTime: told("authTime") },
      ...{ lastSeenAt: told("lastSeenAt"), absoluteExpiresAt: told("absoluteExpiresAt") },
      expiresAt: actual.expiresAt + shift,
    },
    expected,
  );
}

export function checkBetween(actual: number, least: number, most: number): void {
  const isWithin = actual >= least - SKEW_MS && actual <= most + SKEW_MS;
  assert.ok(isWithin, `${actual} is not between ${least} and ${most}`);
}
