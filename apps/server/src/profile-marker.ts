/**
 * Whose keyspace this is. A demo server on the sessions of a production server would take anyone's
 * word for who they are, and a production server must not believe sessions that a demo made. So the
 * first server writes its profile at `auth:profile`, and others compare, at their start and again and
 * again. It is claimed in one command: two servers that start at once cannot both have been first.
 *
 * The demo writes the word `demo`, to be seen in redis-cli. Production writes JSON with the id of its
 * first key: whoever has it not cannot verify what was signed here. It moves on with the ring.
 */
import { isSessionError } from "latchkey";
import type { RedisDriver } from "latchkey/redis";
import { z } from "zod";
import type { Notice } from "./config/rule.ts";

/** What this server is, as far as its keyspace must agree. */
export type Self =
  | { readonly profile: "demo" }
  /** @property keyIds of its ring, the first one first */
  | { readonly profile: "production"; readonly keyIds: readonly string[] };

/** How often a running server looks whether the keyspace is still its own. */
export const MARKER_LOOK_MS = 60_000;

/** Both forms of one word are of earlier versions as well. */
const WORDS = ["demo", "production"] as const;
const LAYOUT = "split";
/** Whatever else stands at the key is not ours to judge: a newer version, or another program. */
const MARKER = z.object({
  profile: z.literal("production"),
  layout: z.literal(LAYOUT),
  keyId: z.string(),
  createdAt: z.string(),
});

interface Owner {
  readonly profile: (typeof WORDS)[number];
  /** Undefined: an earlier version wrote it. */
  readonly keyId: string | undefined;
  readonly createdAt: string | undefined;
}

/** Sets the marker anew if it is still what we have read: another server may have moved it on. */
const REPLACE = `#!lua
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) end
return KEYS[1]`;

/** What is needed of a `RedisDriver`. */
type Commands = Pick<RedisDriver, "command">;

export function markerKey(prefix: string): string {
  return prefix === "session:" ? "auth:profile" : `${prefix}auth:profile`;
}

/**
 * Makes the keyspace ours if it is nobody's. Undefined: it is ours; else why it is not. Rejects with
 * "store-unavailable" if Redis cannot say.
 */
export async function claimKeyspace(
  driver: Commands,
  key: string,
  self: Self,
): Promise<Notice | undefined> {
  // Looked at before it is written to: a full Redis refuses even a SET that would change nothing, and
  // a server that restarts then must go on serving the sessions that there are.
  const found =
    (await asked(driver, key, ["GET", key])) ??
    (await asked(driver, key, ["SET", key, await written(driver, self), "NX", "GET"]));
  if (found === undefined) return undefined;
  const owner = parseOwner(found);
  const refusal = compare(owner, self, key);
  if (refusal !== undefined || owner === undefined || self.profile === "demo") return refusal;
  if (owner.keyId === self.keyIds[0]) return undefined;
  const next = await written(driver, self, owner.createdAt);
  await driver.command(key, ["EVAL", REPLACE, "1", key, found, next]);
  return undefined;
}

/**
 * Looks at each tick of `every` whether the keyspace is still ours, and tells once if it is not. A
 * look without an answer says nothing: while Redis is away no session is valid anyway.
 *
 * @param claim as `claimKeyspace`: a keyspace that was emptied is marked again
 * @returns ends the looking
 */
export function watchKeyspace(
  claim: () => Promise<Notice | undefined>,
  onLost: (refusal: Notice) => void,
  every: (ms: number, work: () => void) => () => void,
): () => void {
  const look = async (): Promise<void> => {
    const refusal = await claim().catch(() => undefined);
    if (refusal === undefined) return;
    stop();
    onLost(refusal);
  };
  const stop = every(MARKER_LOOK_MS, () => void look());
  return stop;
}

async function written(driver: Commands, self: Self, createdAt?: string): Promise<string> {
  if (self.profile === "demo") return "demo";
  const marker: z.output<typeof MARKER> = {
    profile: "production",
    layout: LAYOUT,
    keyId: self.keyIds[0] ?? "",
    createdAt: createdAt ?? (await redisTime(driver)),
  };
  return JSON.stringify(marker);
}

async function redisTime(driver: Commands): Promise<string> {
  const [seconds] = z
    .tuple([z.coerce.number(), z.unknown()])
    .parse(await driver.command("", ["TIME"]));
  return new Date(seconds * 1_000).toISOString();
}

/** What stands at the key; undefined: nothing did. */
async function asked(
  driver: Commands,
  key: string,
  command: readonly string[],
): Promise<string | undefined> {
  try {
    const found = await driver.command(key, command);
    return found === null ? undefined : String(found);
  } catch (error) {
    // Another type of value is an answer, too: somebody else's.
    const { cause } = isSessionError(error) ? error : {};
    if (cause instanceof Error && cause.message.startsWith("WRONGTYPE")) return "";
    throw error;
  }
}

function parseOwner(text: string): Owner | undefined {
  const word = WORDS.find((known) => known === text);
  if (word !== undefined) return { profile: word, keyId: undefined, createdAt: undefined };
  return MARKER.safeParse(parseJson(text)).data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function compare(owner: Owner | undefined, self: Self, key: string): Notice | undefined {
  if (owner === undefined) {
    const message = `points at a keyspace that is no auth server's: ${key} in Redis holds something else`;
    return { code: "keyspace_unknown", setting: "REDIS_URL", message };
  }
  if (owner.profile !== self.profile) {
    const message = `points at sessions of another profile (${key} in Redis): a ${self.profile} server must not use them`;
    return { code: "keyspace_other_profile", setting: "REDIS_URL", message };
  }
  if (self.profile === "demo" || owner.keyId === undefined) return undefined;
  if (self.keyIds.includes(owner.keyId)) return undefined;
  const message = `has no key of the id that the sessions at REDIS_URL were made with (${key} in Redis has it)`;
  return { code: "keyspace_other_keys", setting: "AUTH_SECRETS", message };
}
