/** Settings and a Redis → the app of a profile: which parts there are, and how they are joined. */
import type { Express } from "express";
import {
  createSessions,
  type Layout,
  type SessionListener,
  type SessionManager,
  systemRandom,
} from "latchkey";
import { type AppParts, createApp } from "./app.ts";
import type { Backing, ProductionBacking } from "./backing.ts";
import { type Config, type DemoConfig, ownHosts, type ProductionConfig } from "./config/config.ts";
import { createIdentity, type Identity } from "./identity.ts";
import type { LiveSessions } from "./live/live-sessions.ts";
import { type Audit, createAudit } from "./log/audit.ts";
import type { Log } from "./log/logger.ts";
import { type Pseudonymize, pseudonymizer } from "./log/pseudonym.ts";
import { clientOf } from "./proxy/client-address.ts";
import { keptAddress } from "./proxy/kept-address.ts";

export interface Stand<Kind extends Backing = Backing> {
  readonly backing: Kind;
  readonly log: Log;
  readonly live: LiveSessions;
  /** True from the stop signal on. */
  readonly isDraining: () => boolean;
}

/** As much of an address as tells its owner where a device was (PRV-1). */
const KEPT_ADDRESS = "truncated";
const KEY_BYTES = 32;

export function demoApp(config: DemoConfig, stand: Stand): Express {
  const { backing, log, live } = stand;
  const { store } = backing;
  // No ring, so pseudonyms are of this process: its lines match each other, and nobody else's.
  const pseudonymize = pseudonymizer(systemRandom(KEY_BYTES));
  const audit = auditOf({ log: demoLog(config, log), layout: "literal", pseudonymize });
  const sessions = createSessions({
    store,
    layout: "literal",
    absoluteTimeout: `${config.sessionTtlSeconds}s`,
    cookie: { name: "sid", secure: false },
    onEvent: heardBy(audit, live),
  });
  const common = commonParts(config, stand, pseudonymize);
  return createApp({ ...common, sessions, audit, identity: undefined });
}

export function productionApp(
  config: ProductionConfig,
  stand: Stand<ProductionBacking>,
): { readonly app: Express; readonly identity: Identity } {
  const { backing, log } = stand;
  const pseudonymize = pseudonymizer(config.keys.keyFor("log").key);
  const audit = auditOf({ log, layout: "split", pseudonymize });
  const sessions = productionSessions(config, stand, audit);
  const identity = createIdentity({ config, driver: backing.scripts, sessions, audit });
  const common = commonParts(config, stand, pseudonymize);
  return { app: createApp({ ...common, sessions, audit, identity }), identity };
}

function productionSessions(
  config: ProductionConfig,
  { backing, log, live }: Stand,
  audit: Audit,
): SessionManager {
  return createSessions({
    store: backing.store,
    layout: "split",
    idleTimeout: `${config.idleSeconds}s`,
    absoluteTimeout: `${config.absoluteSeconds}s`,
    maxPerUser: config.maxPerUser,
    // A proxy may ask for us by another name than browsers do.
    trustedOrigins: [config.publicOrigin],
    cookie: { name: "__Host-sid", secure: true },
    onEvent: heardBy(audit, live),
    warn: ({ code }) => log.write({ event: "library_warning", code }),
  });
}

function commonParts(
  config: Config,
  { backing, log, live, isDraining }: Stand,
  pseudonymize: Pseudonymize,
): Pick<AppParts, "isOwnHost" | "client" | "health" | "live" | "log"> {
  const trusted = config.profile === "demo" ? [] : config.trustProxy;
  return {
    isOwnHost: ownHosts(config),
    client: {
      clientOf: clientOf(trusted),
      kept: (address) => keptAddress(address, KEPT_ADDRESS, pseudonymize),
    },
    health: { store: backing.kind, isDraining, checkStore: backing.ping },
    ...{ live, log },
  };
}

function heardBy(audit: Audit, live: LiveSessions): SessionListener {
  return (event) => {
    audit.onEvent(event);
    live.hear(event);
  };
}

/** A demo is watched by people, so its terminal has the audit only if they ask for more lines. */
function demoLog({ logLevel }: DemoConfig, log: Log): Log {
  const isTalkative = logLevel === "debug" || logLevel === "trace";
  return isTalkative ? log : { ...log, audit: () => {} };
}

/** Its first line says which profile it is of. */
function auditOf(parts: {
  readonly log: Log;
  readonly layout: Layout;
  readonly pseudonymize: Pseudonymize;
}): Audit {
  const audit = createAudit(parts);
  audit.record({
    event: "sys_startup",
    what: parts.layout === "literal" ? "demo" : "production",
  });
  return audit;
}
