/**
 * What a production server refuses and warns of once it sees its Redis: is this one that sessions and
 * password hashes can be trusted to? What the URL alone gives away, `config/production.ts` tells.
 */
import { isSessionError } from "latchkey";
import { connect, parseRedisUrl, type RedisDriver } from "latchkey/redis";
import { isLocalRedis } from "./config/loopback.ts";
import { type Notice, noticesOf, type Rule } from "./config/rule.ts";

/** What can be known of a Redis by asking it. In a Cluster, of the node that is asked first. */
export interface RedisFacts {
  /** REDIS_URL names this machine. */
  readonly isLocal: boolean;
  /** Whoever reaches its port is in, without user and password. */
  readonly letsAnyoneIn: boolean;
  /** Our user may read settings, and so most likely change them. */
  readonly mayConfigure: boolean;
  /** REDIS_ALLOW_EVICTION. */
  readonly allowsEviction: boolean;
  /** Name → value of INFO; undefined: our user may not ask. */
  readonly info: ReadonlyMap<string, string> | undefined;
}

export interface Findings {
  readonly refusals: readonly Notice[];
  readonly warnings: readonly Notice[];
}

/**
 * The first releases without CVE-2025-49844, by which a Lua script runs code in the server; and, on the
 * way, without CVE-2025-46817, -46818 and -46819. Older branches have none.
 */
const PATCHED: Readonly<Record<"redis" | "valkey", readonly string[]>> = {
  redis: ["6.2.20", "7.2.11", "7.4.6", "8.0.4", "8.2.2"],
  valkey: ["7.2.11", "8.0.6", "8.1.4"],
};

/** How long a knock without a password may take. */
const KNOCK_LIMIT_MS = 1_000;

const REFUSES: readonly Rule<RedisFacts>[] = [
  {
    code: "redis_open",
    setting: "REDIS_URL",
    message:
      "is on another host, and lets in whoever comes without a password: switch its user `default` off",
    applies: ({ isLocal, letsAnyoneIn }) => letsAnyoneIn && !isLocal,
  },
  {
    code: "redis_unseen",
    setting: "REDIS_URL",
    message: "logs in as a user without INFO, so what Redis does when it is full is unknown: +info",
    applies: ({ info }) => info === undefined,
  },
  {
    code: "redis_replica",
    setting: "REDIS_URL",
    message: "points at a replica: what is written there is lost, and what is revoked comes late",
    applies: ({ info }) => info?.get("role") === "slave",
  },
  {
    code: "redis_evicts",
    setting: "REDIS_URL",
    message:
      "points at a Redis that throws keys away when it is full, those that keep dead sessions dead " +
      "among them: set its maxmemory-policy to noeviction. If it holds nothing but sessions, " +
      "REDIS_ALLOW_EVICTION=dedicated-redis accepts that",
    applies: (facts) => evicts(facts) && !facts.allowsEviction,
  },
];

const WARNS: readonly Rule<RedisFacts>[] = [
  {
    code: "redis_open",
    setting: "REDIS_URL",
    message: "points at a Redis that lets in every process of this machine, without a password",
    applies: ({ isLocal, letsAnyoneIn }) => letsAnyoneIn && isLocal,
  },
  {
    code: "redis_evicts",
    setting: "REDIS_ALLOW_EVICTION",
    message: "is used: a full Redis may log people out, and a revoke-all may miss sessions",
    applies: (facts) => evicts(facts) && facts.allowsEviction,
  },
  {
    code: "redis_acl_wide",
    setting: "REDIS_URL",
    message:
      "logs in as a user who may do more than sessions need (CONFIG): docs/guide/redis.md has an ACL",
    applies: ({ mayConfigure }) => mayConfigure,
  },
  {
    code: "redis_unpatched",
    setting: "REDIS_URL",
    message:
      "points at a version that is known to run code for whoever may send scripts (CVE-2025-49844), " +
      `unless your distribution has patched it. Redis ${PATCHED.redis.join(", ")} and ` +
      `Valkey ${PATCHED.valkey.join(", ")} do not`,
    applies: ({ info }) => info !== undefined && !isPatched(info),
  },
  {
    code: "redis_no_aof",
    setting: "REDIS_URL",
    message: "points at a Redis without AOF: a restart logs everybody out, or undoes logouts",
    applies: ({ info }) => info?.get("aof_enabled") === "0",
  },
];

/** Pure: what these facts mean. */
export function judge(facts: RedisFacts): Findings {
  return { refusals: noticesOf(REFUSES, facts), warnings: noticesOf(WARNS, facts) };
}

/** Asks. Rejects with "store-unavailable" if Redis does not answer. */
export async function factsOf(
  driver: RedisDriver,
  url: string,
  allowsEviction: boolean,
): Promise<RedisFacts> {
  const [info, config, letsAnyoneIn] = await Promise.all([
    permitted(driver.command("", ["INFO"])),
    permitted(driver.command("", ["CONFIG", "GET", "maxmemory-policy"])),
    isOpen(url),
  ]);
  return {
    ...{ allowsEviction, letsAnyoneIn },
    isLocal: isLocalRedis(parseRedisUrl(url)),
    mayConfigure: config !== undefined,
    info: info === undefined ? undefined : parseInfo(String(info)),
  };
}

/** The answer; undefined if the ACL forbids to ask. */
async function permitted(asked: Promise<unknown>): Promise<unknown> {
  try {
    return await asked;
  } catch (error) {
    if (rootOf(error)?.message.startsWith("NOPERM")) return undefined;
    throw error;
  }
}

/** Whether Redis serves a client that does not say who it is. */
async function isOpen(url: string): Promise<boolean> {
  // A user and a password stand between "//" or "," and "@".
  const anonymous = url.replace(/(\/\/|,)[^/,@]*@/g, "$1");
  try {
    const driver = await connect(anonymous, { timeoutMs: KNOCK_LIMIT_MS });
    await driver.close();
    return true;
  } catch {
    return false;
  }
}

function parseInfo(text: string): ReadonlyMap<string, string> {
  const lines = text.matchAll(/^(\w+):(.*?)\r?$/gm);
  return new Map([...lines].map(([, name = "", value = ""]) => [name, value]));
}

function evicts({ info }: RedisFacts): boolean {
  return Number(info?.get("maxmemory") ?? 0) > 0 && info?.get("maxmemory_policy") !== "noeviction";
}

function isPatched(info: ReadonlyMap<string, string>): boolean {
  // Valkey goes on calling itself Redis 7.2.4.
  const valkey = info.get("valkey_version");
  const [major, minor, patch] = numbers(valkey ?? info.get("redis_version") ?? "");
  const known = PATCHED[valkey === undefined ? "redis" : "valkey"].map(numbers);
  const branch = known.find((first) => first[0] === major && first[1] === minor);
  if (branch !== undefined) return patch >= branch[2];
  return known.every((first) => major > first[0] || (major === first[0] && minor > first[1]));
}

function numbers(version: string): readonly [number, number, number] {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  return [major, minor, patch];
}

/** What an error word of Redis, or of TLS, means for a server that could not connect at its start. */
const HOPELESS: readonly (Omit<Notice, "setting"> & { readonly says: RegExp })[] = [
  {
    code: "redis_refuses_us",
    says: /^(NOAUTH|WRONGPASS)\b/,
    message: "has no user and password that Redis accepts",
  },
  {
    code: "redis_forbids",
    says: /^NOPERM\b/,
    message: "logs in as a user who may not do what sessions need: docs/guide/redis.md has the ACL",
  },
  {
    code: "redis_replica",
    says: /^READONLY\b/,
    message: "points at a replica, which takes no writes",
  },
  {
    code: "redis_certificate",
    says: /certificate|Hostname\/IP does not match/i,
    message:
      "points at a Redis whose certificate cannot be verified; NODE_EXTRA_CA_CERTS adds an " +
      "authority of your own",
  },
];

/** Why it is of no use to try again; undefined: Redis may just not be there yet. */
export function hopeless(error: unknown, url: string): Notice | undefined {
  const text = rootOf(error)?.message ?? "";
  // Sentinel and Cluster name a replica for as long as a failover takes, and then its primary.
  const isPassing = text.startsWith("READONLY") && parseRedisUrl(url).topology !== "single";
  const found = isPassing ? undefined : HOPELESS.find(({ says }) => says.test(text));
  return found && { code: found.code, setting: "REDIS_URL", message: found.message };
}

/** What Redis, TLS or the network said, under what has been wrapped around it. */
function rootOf(error: unknown): Error | undefined {
  if (!(error instanceof Error)) return undefined;
  const isWrapped = isSessionError(error) || error.cause instanceof Error;
  return (isWrapped && rootOf(error.cause)) || error;
}
