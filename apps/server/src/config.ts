/** Environment and flags → checked settings; every problem is reported at once, by its name. */
import { parseArgs } from "node:util";
import { NEAR_CACHE_ENTRIES } from "latchkey/near-cache";
import { parseRedisUrl } from "latchkey/redis";
import { z } from "zod";

export interface Config {
  readonly port: number;
  readonly host: string;
  /** AUTH_DEMO_EXPOSE says that everybody who reaches the server may: by whatever name. */
  readonly isExposed: boolean;
  /** Undefined: find or start a Redis on this machine. */
  readonly redisUrl: string | undefined;
  readonly sessionTtlSeconds: number;
  readonly sessionPrefix: string;
  /** Sessions kept in the memory of this process at most; 0: none. */
  readonly nearCacheEntries: number;
  /** `--memory`: no Redis, sessions end with the process. */
  readonly memory: boolean;
  /** False with `--no-install`. */
  readonly allowInstall: boolean;
}

/** Each problem is one line that begins with the name of the setting. No value is echoed. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

/** 400 days, the longest life of a session. */
const TTL_MAX_SECONDS = 400 * 86_400;
/** Some 400 MB. */
const NEAR_CACHE_MAX = 1_000_000;
const LOOPBACK = /^(127(\.\d{1,3}){3}|\[?::1\]?|localhost)$/i;
const EXPOSE = ["published-on-loopback", "private-network"] as const;

/** @param argv the flags, without node and script. Throws `ConfigError`. */
export function readConfig(
  env: Readonly<Record<string, string | undefined>>,
  argv: readonly string[],
): Config {
  const flags = readFlags(argv);
  // An empty line in .env means "not set", as in every shell script.
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ""));
  const parsed = SETTINGS.safeParse(set);
  const together = TOGETHER.safeParse(set);
  if (!parsed.success || !together.success) {
    const issues = [...(parsed.error?.issues ?? []), ...(together.error?.issues ?? [])];
    throw new ConfigError(issues.map(({ path, message }) => `${path.join(".")} ${message}`));
  }
  const settings = parsed.data;
  return {
    port: settings.PORT,
    host: settings.HOST,
    isExposed: settings.AUTH_DEMO_EXPOSE === "private-network",
    redisUrl: settings.REDIS_URL,
    sessionTtlSeconds: settings.SESSION_TTL_SECONDS,
    sessionPrefix: settings.SESSION_PREFIX,
    nearCacheEntries: settings.NEAR_CACHE_ENTRIES,
    ...flags,
  };
}

const SETTINGS = z.object({
  PORT: wholeNumber(0, 65_535).default(3000),
  HOST: z.string().default("127.0.0.1"),
  REDIS_URL: z.string().superRefine(checkRedisUrl).optional(),
  AUTH_DEMO_EXPOSE: z.enum(EXPOSE, `must be one of: ${EXPOSE.join(", ")}`).optional(),
  SESSION_TTL_SECONDS: wholeNumber(1, TTL_MAX_SECONDS).default(3600),
  SESSION_PREFIX: z
    .string()
    .regex(/^[\w.:/-]{1,64}$/, "must be 1 to 64 of the characters A-Z a-z 0-9 _ . : / -")
    .default("session:"),
  NEAR_CACHE_ENTRIES: wholeNumber(0, NEAR_CACHE_MAX).default(NEAR_CACHE_ENTRIES),
});

/** What several settings say together; checked also when single ones are bad, to tell all at once. */
const TOGETHER = z
  .object({
    HOST: z.string().default("127.0.0.1"),
    AUTH_PROFILE: z.string().optional(),
    AUTH_DEMO_EXPOSE: z.string().optional(),
    NODE_ENV: z.string().optional(),
  })
  .superRefine(({ AUTH_PROFILE, NODE_ENV, HOST, AUTH_DEMO_EXPOSE }, context) => {
    const refuse = (name: string, message: string): void =>
      context.addIssue({ code: "custom", path: [name], message });
    if (AUTH_PROFILE === "production")
      refuse("AUTH_PROFILE", "production: not in this version yet");
    else if (AUTH_PROFILE === undefined && NODE_ENV === "production") {
      refuse(
        "AUTH_PROFILE",
        "must say demo: NODE_ENV is production, and that profile is not in this version yet",
      );
    } else if (AUTH_PROFILE !== undefined && AUTH_PROFILE !== "demo") {
      refuse("AUTH_PROFILE", "must be demo");
    }
    if (!isLoopback(HOST) && AUTH_DEMO_EXPOSE === undefined) {
      refuse(
        "HOST",
        "is not a loopback address, and in the demo profile anyone who reaches it can log in as " +
          `anyone; AUTH_DEMO_EXPOSE must say how it is shielded: ${EXPOSE.join(", ")}`,
      );
    }
  });

/** Whether a request that names this host may be meant for a server with these settings. */
export function isOwnHost(config: Pick<Config, "host" | "isExposed">, host: string): boolean {
  return config.isExposed || host === config.host || isLoopback(host);
}

function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}

function wholeNumber(min: number, max: number): z.ZodType<number, string> {
  const rule = `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,15}$/, rule)
    .transform(Number)
    .refine((value) => value >= min && value <= max, rule);
}

function checkRedisUrl(url: string, context: z.RefinementCtx): void {
  try {
    parseRedisUrl(url);
  } catch (error) {
    const message = error instanceof Error ? error.message.replace(/^url /, "") : "is no URL";
    context.addIssue({ code: "custom", message });
  }
}

function readFlags(argv: readonly string[]): Pick<Config, "memory" | "allowInstall"> {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: { memory: { type: "boolean" }, "no-install": { type: "boolean" } },
    });
    return { memory: values.memory ?? false, allowInstall: !(values["no-install"] ?? false) };
  } catch {
    throw new ConfigError([`unknown flag: only --memory and --no-install are known`]);
  }
}
