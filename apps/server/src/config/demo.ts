/**
 * What the demo refuses and warns of. It believes every username, so it must not be where anybody
 * else can reach it, nor be taken for a production server by the one who set it up.
 */
import { parseRedisUrl } from "latchkey/redis";
import { isLocalRedis, isLoopback } from "./loopback.ts";
import type { Rule } from "./rule.ts";
import { EXPOSE, type Given, type SettingName } from "./settings.ts";

/** Without meaning here: whoever sets one believes that this is a production server. */
const PRODUCTION_ONLY: readonly SettingName[] = [
  "AUTH_SECRETS",
  "AUTH_SECRETS_FILE",
  "SESSION_IDLE_SECONDS",
  "SESSION_ABSOLUTE_SECONDS",
  "SESSION_MAX_PER_USER",
  "TRUST_PROXY",
  "AUTH_REGISTRATION",
  "PASSWORD_MIN_LENGTH",
  "AUTH_PEPPER",
  "REDIS_ALLOW_EVICTION",
  "ACCEPT_PLAINTEXT_REDIS",
];

export const DEMO_REFUSES: readonly Rule<Given>[] = [
  {
    code: "demo_listens_beyond_loopback",
    setting: "HOST",
    message:
      "is not a loopback address, and in the demo profile anyone who reaches it can log in as " +
      `anyone; AUTH_DEMO_EXPOSE must say how it is shielded: ${EXPOSE.join(", ")}`,
    applies: ({ settings: { HOST }, isSet }) => !isLoopback(HOST) && !isSet("AUTH_DEMO_EXPOSE"),
  },
  {
    code: "demo_has_public_origin",
    setting: "PUBLIC_ORIGIN",
    message: "is not on this machine over plain http, and no other pages may use the demo profile",
    applies: ({ settings: { PUBLIC_ORIGIN } }) =>
      PUBLIC_ORIGIN !== undefined && !isLocalOrigin(PUBLIC_ORIGIN),
  },
  {
    code: "demo_redis_over_tls",
    setting: "REDIS_URL",
    message: "begins with rediss:, as that of a production server does; the demo must not use it",
    applies: ({ settings: { REDIS_URL } }) => REDIS_URL?.startsWith("rediss:") ?? false,
  },
  ...PRODUCTION_ONLY.map((name) => ({
    code: "demo_has_production_setting",
    setting: name,
    message: "is for AUTH_PROFILE=production, and this is the demo, where anyone is believed",
    applies: ({ isSet }: Given) => isSet(name),
  })),
];

export const DEMO_WARNS: readonly Rule<Given>[] = [
  {
    code: "demo_redis_elsewhere",
    setting: "REDIS_URL",
    message: "is on another host: whoever reads that Redis can take over any session in it",
    applies: ({ settings: { REDIS_URL } }) =>
      REDIS_URL !== undefined && !isLocalRedis(parseRedisUrl(REDIS_URL)),
  },
];

function isLocalOrigin(origin: string): boolean {
  const { protocol, hostname } = new URL(origin);
  return protocol === "http:" && isLoopback(hostname);
}
