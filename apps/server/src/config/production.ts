/**
 * What a production server refuses and warns of, before it has seen its Redis. What is refused has no
 * override, but for those that name their reason: REDIS_ALLOW_EVICTION and ACCEPT_PLAINTEXT_REDIS.
 */
import { parseRedisUrl, type Target } from "latchkey/redis";
import { isLocalRedis } from "./loopback.ts";
import type { Rule } from "./rule.ts";
import type { Given, SettingName, Settings } from "./settings.ts";

/** NIST SP 800-63B-4 §2.2.3: at AAL2, idle at most an hour and overall at most a day. */
const IDLE_USUAL_SECONDS = 3_600;
const ABSOLUTE_USUAL_SECONDS = 86_400;
/** NIST SP 800-63B-4 §3.1.1.2, for a password that is the only factor. */
const PASSWORD_USUAL_LENGTH = 15;

const DEMO_ONLY: readonly SettingName[] = ["AUTH_DEMO_EXPOSE", "SESSION_TTL_SECONDS"];

export const PRODUCTION_REFUSES: readonly Rule<Given>[] = [
  {
    code: "redis_missing",
    setting: "REDIS_URL",
    message: "is required in production: no Redis is looked for",
    applies: ({ settings }) => settings.REDIS_URL === undefined,
  },
  {
    code: "redis_plaintext",
    setting: "REDIS_URL",
    message:
      "is on another host and not rediss:// (TLS); where the network itself is private, " +
      "ACCEPT_PLAINTEXT_REDIS=private-network says so",
    applies: ({ settings }) =>
      isRemote(settings, ({ tls }) => !tls) && settings.ACCEPT_PLAINTEXT_REDIS === undefined,
  },
  {
    code: "redis_no_password",
    setting: "REDIS_URL",
    message: "is on another host and has no user and password: rediss://user:password@host:port",
    applies: ({ settings }) => isRemote(settings, ({ password }) => password === ""),
  },
  {
    code: "tls_unverified",
    setting: "NODE_TLS_REJECT_UNAUTHORIZED",
    message:
      "switches the check of certificates off; NODE_EXTRA_CA_CERTS adds an authority of your own",
    applies: ({ settings }) => settings.NODE_TLS_REJECT_UNAUTHORIZED === "0",
  },
  {
    code: "memory_only",
    setting: "--memory",
    message: "is for the demo: production keeps its sessions in Redis",
    applies: ({ memory }) => memory,
  },
  {
    code: "origin_missing",
    setting: "PUBLIC_ORIGIN",
    message: "is required in production: the origin that browsers see, https://login.example.com",
    applies: ({ settings }) => settings.PUBLIC_ORIGIN === undefined,
  },
  {
    code: "origin_not_https",
    setting: "PUBLIC_ORIGIN",
    message: "must be https: session cookies travel over nothing else",
    applies: ({ settings }) => settings.PUBLIC_ORIGIN?.startsWith("http:") ?? false,
  },
  {
    code: "secrets_missing",
    setting: "AUTH_SECRETS",
    message: "or AUTH_SECRETS_FILE is required in production: id:hex, from openssl rand -hex 32",
    applies: ({ isSet }) => !isSet("AUTH_SECRETS") && !isSet("AUTH_SECRETS_FILE"),
  },
  {
    code: "secrets_twice",
    setting: "AUTH_SECRETS",
    message: "and AUTH_SECRETS_FILE are both set: which one counts?",
    applies: ({ isSet }) => isSet("AUTH_SECRETS") && isSet("AUTH_SECRETS_FILE"),
  },
  {
    code: "idle_beyond_absolute",
    setting: "SESSION_IDLE_SECONDS",
    message: "must not be more than SESSION_ABSOLUTE_SECONDS",
    applies: ({ settings }) => settings.SESSION_IDLE_SECONDS > settings.SESSION_ABSOLUTE_SECONDS,
  },
  ...DEMO_ONLY.map((name) => ({
    code: "production_has_demo_setting",
    setting: name,
    message: "is for AUTH_PROFILE=demo",
    applies: ({ isSet }: Given) => isSet(name),
  })),
];

export const PRODUCTION_WARNS: readonly Rule<Given>[] = [
  {
    code: "redis_plaintext",
    setting: "ACCEPT_PLAINTEXT_REDIS",
    message: "lets user names and password hashes cross the network unencrypted",
    applies: ({ settings }) =>
      settings.ACCEPT_PLAINTEXT_REDIS !== undefined && isRemote(settings, ({ tls }) => !tls),
  },
  {
    code: "redis_default_user",
    setting: "REDIS_URL",
    message: "logs in as the user `default`, who may do everything: give the server one of its own",
    applies: ({ settings }) => isDefaultUser(targetOf(settings)),
  },
  {
    code: "idle_long",
    setting: "SESSION_IDLE_SECONDS",
    message: "is more than an hour: write down why (OWASP ASVS 7.1.1)",
    applies: ({ settings }) => settings.SESSION_IDLE_SECONDS > IDLE_USUAL_SECONDS,
  },
  {
    code: "absolute_long",
    setting: "SESSION_ABSOLUTE_SECONDS",
    message: "is more than a day: write down why (OWASP ASVS 7.1.1)",
    applies: ({ settings }) => settings.SESSION_ABSOLUTE_SECONDS > ABSOLUTE_USUAL_SECONDS,
  },
  {
    code: "password_short",
    setting: "PASSWORD_MIN_LENGTH",
    message: `is below ${PASSWORD_USUAL_LENGTH}, too short for a password that is the only factor`,
    applies: ({ settings }) => settings.PASSWORD_MIN_LENGTH < PASSWORD_USUAL_LENGTH,
  },
];

function targetOf({ REDIS_URL }: Settings): Target | undefined {
  return REDIS_URL === undefined ? undefined : parseRedisUrl(REDIS_URL);
}

function isRemote(settings: Settings, is: (target: Target) => boolean): boolean {
  const target = targetOf(settings);
  return target !== undefined && !isLocalRedis(target) && is(target);
}

function isDefaultUser(target: Target | undefined): boolean {
  return target !== undefined && target.password !== "" && /^(default)?$/.test(target.username);
}
