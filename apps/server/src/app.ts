/** The Express app, built from what it depends on: tests start here too. */
import { fileURLToPath } from "node:url";
import express, { type Express, type RequestHandler } from "express";
import helmet from "helmet";
import type { SessionManager } from "latchkey";
import type { Identity } from "./identity.ts";
import type { LiveSessions } from "./live/live-sessions.ts";
import type { Audit } from "./log/audit.ts";
import type { Log } from "./log/logger.ts";
import { logRequests } from "./log/request-log.ts";
import { notFound, Problem, problemHandler } from "./problem.ts";
import { type ClientParts, noteClient, senderOf } from "./request-client.ts";
import { assignRequestId } from "./request-id.ts";
import { accountRoutes } from "./routes/account.ts";
import { demoLoginRoutes, sessionRoutes } from "./routes/auth.ts";
import { deviceRoutes } from "./routes/devices.ts";
import { eventRoutes } from "./routes/events.ts";
import { type Health, healthRoutes } from "./routes/health.ts";
import { loginRoutes } from "./routes/login.ts";
import { profileRoutes } from "./routes/profile.ts";

export interface AppParts {
  /** Who knows the users; undefined in the demo, where nobody does. */
  readonly identity: Identity | undefined;
  /** Whether a request may have been meant for this server, by the host that it names. */
  readonly isOwnHost: (host: string) => boolean;
  readonly client: ClientParts;
  readonly sessions: SessionManager;
  /** Hears of every event of `sessions`. */
  readonly live: LiveSessions;
  readonly health: Health;
  readonly audit: Pick<Audit, "record">;
  readonly log: Pick<Log, "write">;
}

const PUBLIC = fileURLToPath(new URL("../public", import.meta.url));
/** What production serves, and no more: the page of the demo has no place there. */
const ACCOUNT_PAGE = fileURLToPath(new URL("../public/account", import.meta.url));
/** How users of the production profile prove who they are: RFC 8176 §2. */
const PASSWORD_ONLY = ["pwd"];

export function createApp(parts: AppParts): Express {
  const { identity, sessions, live, health, audit, log, client } = parts;
  const isDemo = identity === undefined;
  const app = express();
  // A tag computed from a private answer would be one more place where it can be recognised.
  app.set("etag", false);
  app.use(assignRequestId, noteClient(client), logRequests(log), securityHeaders(isDemo));
  app.use((req, res, next) => {
    if (isDemo) res.set("X-Auth-Profile", "demo-insecure");
    if (health.isDraining()) res.set("Connection", "close");
    // "If-None-Match: *" would turn a private answer into an empty 304; we give no tags to match.
    delete req.headers["if-none-match"];
    next();
  });
  // Before the host is looked at: who watches over the server asks for it by address.
  app.use(healthRoutes(health));
  app.use(checkHost(parts.isOwnHost, isDemo));
  if (identity === undefined) app.use("/auth", demoLoginRoutes(sessions));
  else {
    app.use("/auth", loginRoutes({ sessions, identity, audit }));
    app.use("/auth", accountRoutes({ sessions, identity, audit }));
  }
  app.use("/auth", sessionRoutes(sessions, isDemo ? undefined : PASSWORD_ONLY));
  app.use("/auth", deviceRoutes({ sessions, isSidSecret: isDemo, needsFreshLogin: !isDemo }));
  app.use("/auth", eventRoutes(sessions, live));
  app.use(profileRoutes(sessions));
  app.use(express.static(isDemo ? PUBLIC : ACCOUNT_PAGE, { etag: false }));
  app.use(notFound);
  app.use(problemHandler(log));
  return app;
}

/** A page of another site whose name was pointed at our address (DNS rebinding) names that site. */
function checkHost(isOwnHost: AppParts["isOwnHost"], isDemo: boolean): RequestHandler {
  const title = "Not a name of this server";
  const refusal = isDemo
    ? { status: 403, code: "forbidden", title }
    : { status: 421, code: "misdirected", title };
  return (req, _res, next) => {
    if (!isOwnHost(hostnameIn(senderOf(req).host))) throw new Problem(refusal);
    next();
  };
}

/** Of a `Host`: without the port, which proxies leave out or change. */
function hostnameIn(host = ""): string {
  return host.replace(/:\d*$/, "");
}

/** Nothing from elsewhere, nothing inline, in no frame. The pages need no more than that. */
function securityHeaders(isDemo: boolean): RequestHandler {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", "data:"],
        connectSrc: ["'self'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
        baseUri: ["'none'"],
      },
    },
    // The demo speaks plain http on loopback; a browser that was told otherwise could not come back.
    // Production is https alone: for a year, its subdomains too (ASVS 3.4.1).
    ...(isDemo ? { strictTransportSecurity: false } : {}),
    xFrameOptions: { action: "deny" },
  });
}
