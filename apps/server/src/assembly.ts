/** Settings and a Redis → the app of a profile: which parts there are, and how they are joined. */
import type { Express } from "express";
import { createSessions, type Layout, type SessionManager, systemRandom } from "latchkey";
import { type AppParts, createApp } from "./app.ts";
import type { Backing, ProductionBacking } from "./backing.ts";
import { type Config, type DemoConfig, ownHosts, type ProductionConfig } from "./config/config.ts";
import { createIdentity, type Identity } from "./identity.ts";
import { type Audit, createAudit } from "./log/audit.ts";
import type { Log } from "./log/logger.ts";
import { type Pseudonymize, pseudonymizer } from "./log/pseudonym.ts";
import { clientOf } from "./proxy/client-address.ts";
import { keptAddress } from "./proxy/kept-address.ts";

export interface Stand<Kind extends Backing = Backing> {
  readonly backing: Kind;
  readonly log: Log;
  /** True from the stop signal on. */
  readonly isDraining: () => boolean;
}

/** As much of an address as tells its owner where a device was (PRV-1). */
const KEPT_ADDRESS = "truncated";
const KEY_BYTES = 32;

export function demoApp(config: DemoConfig, { backing, log, isDraining }: Stand): Express {
  const { store } = backing;
  // No ring, so pseudonyms are of this process: its lines match each other, and nobody else's.
  const pseudonymize = pseudonymizer(systemRandom(KEY_BYTES));
  const audit = auditOf({ log: demoLog(config, log), layout: "literal", pseudonymize });
  const sessions = createSessions({
    store,
    layout: "literal",
    absoluteTimeout: `${config.sessionTtlSeconds}s`,
    cookie: { name: "sid", secure: false },
    onEvent: audit.onEvent,
  });
  const common = commonParts(config, { backing, log, isDraining }, pseudonymize);
  return createApp({ ...common, sessions, audit, identity: undefined });
}

export function productionApp(
  config: ProductionConfig,
  { backing, log, isDraining }: Stand<ProductionBacking>,
): { readonly app: Express; readonly identity: Identity } {
  const pseudonymize = pseudonymizer(config.keys.keyFor("log").key);
  const audit = auditOf({ log, layout: "split", pseudonymize });
  const sessions = productionSessions(config, { backing, log, audit });
  const identity = createIdentity({ config, driver: backing.scripts, sessions, audit });
  const common = commonParts(config, { backing, log, isDraining }, pseudonymize);
  return { app: createApp({ ...common, sessions, audit, identity }), identity };
}

function productionSessions(
  config: ProductionConfig,
  { backing, log, audit }: Pick<Stand, "backing" | "log"> & { readonly audit: Audit },
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
    onEvent: audit.onEvent,
    warn: ({ code }) => log.write({ event: "library_warning", code }),
  });
}

function commonParts(
  config: Config,
  { backing, log, isDraining }: Stand,
  pseudonymize: Pseudonymize,
): Pick<AppParts, "isOwnHost" | "client" | "health" | "log"> {
  const trusted = config.profile === "demo" ? [] : config.trustProxy;
  return {
    isOwnHost: ownHosts(config),
    client: {
      clientOf: clientOf(trusted),
      kept: (address) => keptAddress(address, KEPT_ADDRESS, pseudonymize),
    },
    health: { store: backing.kind, isDraining, checkStore: backing.ping },
    log,
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
