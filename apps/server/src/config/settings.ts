/** All settings of the server: their shape, their default, and what is wrong with a single one. */
import { NEAR_CACHE_ENTRIES } from "latchkey/near-cache";
import { parseRedisUrl } from "latchkey/redis";
import { z } from "zod";
import { networksProblem } from "./networks.ts";
import type { Notice } from "./rule.ts";

/** 400 days, the longest life of a session. */
const LIFE_MAX_SECONDS = 400 * 86_400;
/** Less would log people out while they read a page. */
const LIFE_MIN_SECONDS = 60;
/** Some 400 MB. */
const NEAR_CACHE_MAX = 1_000_000;
/** A login that evicts looks at all of a user's sessions in one script. */
const PER_USER_MAX = 1_000;
/** NIST SP 800-63B-4 §3.1.1.2: 15 where a password is the only factor, never below 8. */
const PASSWORD_MIN = { least: 8, default: 15, most: 64 } as const;

const PROFILES = ["demo", "production"] as const;
/** From the most talkative to the most silent. */
const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"] as const;
/** How a demo that listens beyond loopback is shielded. */
export const EXPOSE = ["published-on-loopback", "private-network"] as const;

/** `.env.example` says of each what it is for. Undefined where there is no default. */
export interface Settings {
  readonly PORT: number;
  readonly HOST: string;
  readonly REDIS_URL?: string | undefined;
  readonly AUTH_PROFILE?: (typeof PROFILES)[number] | undefined;
  readonly SESSION_PREFIX: string;
  readonly NEAR_CACHE_ENTRIES: number;
  readonly LOG_LEVEL: (typeof LOG_LEVELS)[number];
  readonly PUBLIC_ORIGIN?: string | undefined;

  readonly AUTH_DEMO_EXPOSE?: (typeof EXPOSE)[number] | undefined;
  readonly SESSION_TTL_SECONDS: number;

  readonly AUTH_SECRETS?: string | undefined;
  readonly AUTH_SECRETS_FILE?: string | undefined;
  readonly SESSION_IDLE_SECONDS: number;
  readonly SESSION_ABSOLUTE_SECONDS: number;
  readonly SESSION_MAX_PER_USER: number;
  readonly TRUST_PROXY?: string | undefined;
  readonly AUTH_REGISTRATION: "open" | "closed";
  readonly PASSWORD_MIN_LENGTH: number;
  readonly AUTH_PEPPER: "on" | "off";
  readonly REDIS_ALLOW_EVICTION?: "dedicated-redis" | undefined;
  readonly ACCEPT_PLAINTEXT_REDIS?: "private-network" | undefined;

  /** Node's own, which say what kind of machine this is believed to be. */
  readonly NODE_ENV?: string | undefined;
  readonly NODE_TLS_REJECT_UNAUTHORIZED?: string | undefined;
}

export type SettingName = keyof Settings;

const SHAPE = z.object({
  PORT: wholeNumber(0, 65_535).default(3000),
  HOST: z.string().default("127.0.0.1"),
  REDIS_URL: z.string().superRefine(checkRedisUrl).optional(),
  AUTH_PROFILE: oneOf(PROFILES).optional(),
  SESSION_PREFIX: z
    .string()
    .regex(/^[\w.:/-]{1,64}$/, "must be 1 to 64 of the characters A-Z a-z 0-9 _ . : / -")
    .default("session:"),
  NEAR_CACHE_ENTRIES: wholeNumber(0, NEAR_CACHE_MAX).default(NEAR_CACHE_ENTRIES),
  LOG_LEVEL: oneOf(LOG_LEVELS).default("info"),
  PUBLIC_ORIGIN: z
    .string()
    .refine(isOrigin, "must be an origin such as https://login.example.com: nothing after it")
    .optional(),

  AUTH_DEMO_EXPOSE: oneOf(EXPOSE).optional(),
  SESSION_TTL_SECONDS: wholeNumber(1, LIFE_MAX_SECONDS).default(3600),

  AUTH_SECRETS: z.string().optional(),
  AUTH_SECRETS_FILE: z.string().optional(),
  SESSION_IDLE_SECONDS: wholeNumber(LIFE_MIN_SECONDS, LIFE_MAX_SECONDS).default(1_800),
  SESSION_ABSOLUTE_SECONDS: wholeNumber(LIFE_MIN_SECONDS, LIFE_MAX_SECONDS).default(43_200),
  SESSION_MAX_PER_USER: wholeNumber(1, PER_USER_MAX).default(10),
  TRUST_PROXY: z.string().superRefine(checkNetworks).optional(),
  AUTH_REGISTRATION: oneOf(["open", "closed"]).default("closed"),
  PASSWORD_MIN_LENGTH: wholeNumber(PASSWORD_MIN.least, PASSWORD_MIN.most).default(
    PASSWORD_MIN.default,
  ),
  AUTH_PEPPER: oneOf(["on", "off"]).default("off"),
  REDIS_ALLOW_EVICTION: oneOf(["dedicated-redis"]).optional(),
  ACCEPT_PLAINTEXT_REDIS: oneOf(["private-network"]).optional(),

  NODE_ENV: z.string().optional(),
  NODE_TLS_REJECT_UNAUTHORIZED: z.string().optional(),
});

export const SETTING_NAMES: readonly SettingName[] = SHAPE.keyof().options;

/** What a rule looks at. */
export interface Given {
  readonly settings: Settings;
  /** Whether the operator has written it, and not left it to its default. */
  readonly isSet: (name: SettingName) => boolean;
  /** The flag `--memory`. */
  readonly memory: boolean;
}

/**
 * What each setting says by itself, and what is wrong with it. A bad one is left at its default, so
 * that rules can be told of all others.
 */
export function readSettings(env: Readonly<Record<string, string | undefined>>): {
  readonly settings: Settings;
  readonly isSet: Given["isSet"];
  readonly problems: readonly Notice[];
} {
  // An empty line in .env means "not set", as in every shell script.
  const set = new Map(
    SETTING_NAMES.map((name) => [name, env[name] ?? ""] as const).filter(([, text]) => text !== ""),
  );
  const { error } = SHAPE.safeParse(Object.fromEntries(set));
  const problems = (error?.issues ?? []).map(({ path, message }) => ({
    code: "invalid",
    setting: path.join("."),
    message,
  }));
  const isBad = (name: string): boolean => problems.some(({ setting }) => setting === name);
  const good = [...set].filter(([name]) => !isBad(name));
  const settings = SHAPE.parse(Object.fromEntries(good));
  return { settings, isSet: (name) => set.has(name), problems };
}

function oneOf<const Word extends string>(words: readonly Word[]): z.ZodType<Word, Word> {
  return z.enum(words, `must be ${words.length === 1 ? "" : "one of: "}${words.join(", ")}`);
}

function wholeNumber(min: number, max: number): z.ZodType<number, string> {
  const rule = `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,15}$/, rule)
    .transform(Number)
    .refine((value) => value >= min && value <= max, rule);
}

function isOrigin(text: string): boolean {
  return URL.canParse(text) && /^https?:[^*]+$/.test(text) && new URL(text).origin === text;
}

function checkRedisUrl(url: string, context: z.RefinementCtx): void {
  try {
    parseRedisUrl(url);
  } catch (error) {
    const message = error instanceof Error ? error.message.replace(/^url /, "") : "is no URL";
    context.addIssue({ code: "custom", message });
  }
}

function checkNetworks(list: string, context: z.RefinementCtx): void {
  const message = networksProblem(list);
  if (message !== undefined) context.addIssue({ code: "custom", message });
}
