/** The steps that the checks of a store are made of. */
import assert from "node:assert/strict";
import type { Fields, SessionRecord } from "../../core/record.ts";
import type { Cap, Change, Life, NewSession, SessionStore } from "../../core/store.ts";
import { hashSecret, type SessionId } from "../../core/token.ts";

/** One store with nothing in it, made anew for each test. */
export interface StoreHarness {
  readonly store: SessionStore;
  /** A second store on the same data, as another server has it: it goes on when `store` is closed. */
  readonly other: SessionStore;
  /** Makes `ms` pass for everything that is stored, without waiting. */
  elapse(ms: number): Promise<void>;
  /** After each test. It may have closed `store` itself. */
  close(): Promise<void>;
}

export type Check = (harness: StoreHarness) => Promise<void>;

export const MINUTE = 60_000;
export const HOUR: number = 60 * MINUTE;
/** Real time passes between two steps of a test, also on a busy machine: distance to a deadline. */
export const MARGIN: number = MINUTE;
export const HASH: string = hashSecret("0123456789abcdef0123456789abcdef");
/** Fixed: an hour, however much it is used. */
export const FIXED: Life = { idleTimeoutMs: undefined, absoluteTimeoutMs: HOUR };
/** Fixed: half an hour. */
export const SHORT: Life = { idleTimeoutMs: undefined, absoluteTimeoutMs: HOUR / 2 };
/** Sliding: half an hour idle, two hours in all. */
export const SLIDING: Life = { idleTimeoutMs: 30 * MINUTE, absoluteTimeoutMs: 2 * HOUR };
/** Usernames that a careless key, pattern or map would mistake for something else. */
export const NAMES: readonly string[] = [
  ...["ada", "a b", "a:b", "{a}", "}{", "a%7Bb", "*", "../x", "__proto__", "é", "名前", "🔑"],
];

export interface Begin {
  readonly user?: string;
  readonly secretHash?: string | undefined;
  readonly life?: Life;
  readonly cap?: Cap;
  readonly generation?: number;
  readonly device?: string;
  readonly data?: Readonly<Record<string, string>>;
}

/** What `create` is given for these wishes, under a fresh id. */
export function newSession(store: SessionStore, wishes: Begin): NewSession {
  const { user, secretHash, life = FIXED, cap, generation, device, data = {} } = wishes;
  const sid = store.mintId(user);
  return { sid, user, secretHash, life, cap, generation, device, data: fields(data) };
}

/** Begins a session that must begin. */
export async function begin(store: SessionStore, wishes: Begin): Promise<SessionRecord> {
  const created = await store.create(newSession(store, wishes));
  if (created.outcome !== "created") assert.fail(`create answered ${created.outcome}`);
  return created.record;
}

export async function found(store: SessionStore, sid: SessionId): Promise<SessionRecord> {
  const loaded = await store.load(sid);
  if (loaded.outcome !== "found") assert.fail(`load answered ${loaded.outcome}`);
  return loaded.record;
}

export async function missing(store: SessionStore, sid: SessionId): Promise<void> {
  assert.deepEqual(await store.load(sid), { outcome: "missing" });
}

/** The sids of a user's list, in its order. */
export async function listed(store: SessionStore, user: string): Promise<readonly SessionId[]> {
  return (await store.list(user)).records.map(({ sid }) => sid);
}

/** A change of JSON texts; `null` unsets. */
export function change(edits: Readonly<Record<string, string | null>>, ifVersion?: number): Change {
  const entries = Object.entries(edits);
  return {
    set: new Map(entries.flatMap(([name, text]) => (text === null ? [] : [[name, text]]))),
    unset: new Set(entries.flatMap(([name, text]) => (text === null ? [name] : []))),
    ifVersion,
  };
}

export function fields(data: Readonly<Record<string, string>>): Fields {
  return new Map(Object.entries(data));
}

/** Runs `count` calls at once, on both stores in turn. */
export function atOnce<T>(
  { store, other }: StoreHarness,
  count: number,
  call: (store: SessionStore, i: number) => Promise<T>,
): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, i) => call(i % 2 ? store : other, i)));
}
