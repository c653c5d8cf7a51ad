/** Environment and flags → checked settings; every problem is reported at once, by its name. */
import { parseArgs } from "node:util";
import { DEMO_REFUSES, DEMO_WARNS } from "./demo.ts";
import { KeyRing, parseKeyRing } from "./key-ring.ts";
import { isLoopback } from "./loopback.ts";
import { splitNetworks } from "./networks.ts";
import { PRODUCTION_REFUSES, PRODUCTION_WARNS } from "./production.ts";
import { ConfigError, type Notice, noticesOf } from "./rule.ts";
import { readSecretFile } from "./secret-file.ts";
import { type Given, readSettings, type Settings } from "./settings.ts";

export type Config = DemoConfig | ProductionConfig;

interface CommonConfig {
  readonly port: number;
  readonly host: string;
  readonly sessionPrefix: string;
  /** Sessions kept in the memory of this process at most; 0: none. */
  readonly nearCacheEntries: number;
  readonly logLevel: Settings["LOG_LEVEL"];
  /** To be told at the start. */
  readonly warnings: readonly Notice[];
}

/** A username is enough to log in. */
export interface DemoConfig extends CommonConfig {
  readonly profile: "demo";
  /** AUTH_DEMO_EXPOSE says that everybody who reaches the server may: by whatever name. */
  readonly isExposed: boolean;
  /** Undefined: find or start a Redis on this machine. */
  readonly redisUrl: string | undefined;
  readonly sessionTtlSeconds: number;
  /** `--memory`: no Redis, sessions end with the process. */
  readonly memory: boolean;
  /** False with `--no-install`. */
  readonly allowInstall: boolean;
}

export interface ProductionConfig extends CommonConfig {
  readonly profile: "production";
  readonly redisUrl: string;
  /** What browsers see, such as `https://login.example.com`. */
  readonly publicOrigin: string;
  readonly keys: KeyRing;
  readonly idleSeconds: number;
  readonly absoluteSeconds: number;
  readonly maxPerUser: number;
  /** Addresses and networks of the proxies whose forwarded headers count; none: nobody's do. */
  readonly trustProxy: readonly string[];
  /** Whether strangers may make themselves a user. */
  readonly registration: Settings["AUTH_REGISTRATION"];
  /** In code points. */
  readonly passwordMinLength: number;
  /** Whether passwords are mixed with a key of the ring before they are hashed. */
  readonly isPeppered: boolean;
  /** REDIS_ALLOW_EVICTION: a Redis that throws keys away when it is full is accepted. */
  readonly allowsEviction: boolean;
}

const PROFILE_UNSAID: Notice = {
  code: "profile_unsaid",
  setting: "AUTH_PROFILE",
  message: "must say demo or production: NODE_ENV is production",
};

/** @param argv the flags, without node and script. Throws `ConfigError`. */
export function readConfig(
  env: Readonly<Record<string, string | undefined>>,
  argv: readonly string[],
): Config {
  const flags = readFlags(argv);
  const { settings, isSet, problems } = readSettings(env);
  const given: Given = { settings, isSet, memory: flags.memory };
  const isUnsaid = !isSet("AUTH_PROFILE") && settings.NODE_ENV === "production";
  if (isUnsaid) refuse([...problems, PROFILE_UNSAID]);
  // What a profile refuses can be told once there is one.
  if (problems.some(is("AUTH_PROFILE"))) refuse(problems);
  if (settings.AUTH_PROFILE !== "production") {
    refuse([...problems, ...noticesOf(DEMO_REFUSES, given)]);
    return demoConfig(settings, flags, noticesOf(DEMO_WARNS, given));
  }
  const keys = readKeys(settings);
  const flaws = keys instanceof KeyRing ? [] : keys;
  refuse([...problems, ...noticesOf(PRODUCTION_REFUSES, given), ...flaws]);
  return productionConfig(settings, keys, noticesOf(PRODUCTION_WARNS, given));
}

/** Whether a request that names a host may be meant for a server with these settings. */
export function ownHosts(config: Config): (host: string) => boolean {
  if (config.profile === "production") {
    const { hostname } = new URL(config.publicOrigin);
    return (host) => host.toLowerCase() === hostname;
  }
  return (host) => config.isExposed || host === config.host || isLoopback(host);
}

/** One line for each setting: what follows from a bad value need not be told. */
function refuse(notices: readonly Notice[]): void {
  const first = notices.filter(({ setting }, index) => notices.findIndex(is(setting)) === index);
  if (first.length > 0) throw ConfigError.of(first);
}

function is(name: string): (notice: Notice) => boolean {
  return ({ setting }) => setting === name;
}

/** The ring; or why there is none. That neither or both are set, the rules tell. */
function readKeys({ AUTH_SECRETS, AUTH_SECRETS_FILE }: Settings): KeyRing | readonly Notice[] {
  if ((AUTH_SECRETS === undefined) === (AUTH_SECRETS_FILE === undefined)) return [];
  const setting = AUTH_SECRETS === undefined ? "AUTH_SECRETS_FILE" : "AUTH_SECRETS";
  const read =
    AUTH_SECRETS_FILE === undefined
      ? { text: AUTH_SECRETS ?? "" }
      : readSecretFile(AUTH_SECRETS_FILE);
  const keys = "problem" in read ? read.problem : parseKeyRing(read.text);
  return keys instanceof KeyRing ? keys : [{ code: "secrets_bad", setting, message: keys }];
}

function commonConfig(settings: Settings, warnings: readonly Notice[]): CommonConfig {
  return {
    port: settings.PORT,
    host: settings.HOST,
    sessionPrefix: settings.SESSION_PREFIX,
    nearCacheEntries: settings.NEAR_CACHE_ENTRIES,
    logLevel: settings.LOG_LEVEL,
    warnings,
  };
}

function demoConfig(settings: Settings, flags: Flags, warnings: readonly Notice[]): DemoConfig {
  return {
    ...commonConfig(settings, warnings),
    profile: "demo",
    isExposed: settings.AUTH_DEMO_EXPOSE === "private-network",
    redisUrl: settings.REDIS_URL,
    sessionTtlSeconds: settings.SESSION_TTL_SECONDS,
    ...flags,
  };
}

function productionConfig(
  settings: Settings,
  keys: KeyRing | readonly Notice[],
  warnings: readonly Notice[],
): ProductionConfig {
  const { REDIS_URL, PUBLIC_ORIGIN, TRUST_PROXY } = settings;
  if (REDIS_URL === undefined || PUBLIC_ORIGIN === undefined || !(keys instanceof KeyRing)) {
    throw new TypeError("the rules of production have let something pass that is required");
  }
  return {
    ...commonConfig(settings, warnings),
    profile: "production",
    redisUrl: REDIS_URL,
    publicOrigin: PUBLIC_ORIGIN,
    keys,
    idleSeconds: settings.SESSION_IDLE_SECONDS,
    absoluteSeconds: settings.SESSION_ABSOLUTE_SECONDS,
    maxPerUser: settings.SESSION_MAX_PER_USER,
    trustProxy: TRUST_PROXY === undefined ? [] : splitNetworks(TRUST_PROXY),
    registration: settings.AUTH_REGISTRATION,
    passwordMinLength: settings.PASSWORD_MIN_LENGTH,
    isPeppered: settings.AUTH_PEPPER === "on",
    allowsEviction: settings.REDIS_ALLOW_EVICTION !== undefined,
  };
}

type Flags = Pick<DemoConfig, "memory" | "allowInstall">;

function readFlags(argv: readonly string[]): Flags {
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
