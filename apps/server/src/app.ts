/** The Express app, built from what it depends on: tests start here too. */
import { fileURLToPath } from "node:url";
import express, { type Express } from "express";
import helmet from "helmet";
import type { SessionManager } from "latchkey";
import type { LiveSessions } from "./live/live-sessions.ts";
import { notFound, Problem, problemHandler } from "./problem.ts";
import { assignRequestId } from "./request-id.ts";
import { authRoutes } from "./routes/auth.ts";
import { eventRoutes } from "./routes/events.ts";
import { type Health, healthRoutes } from "./routes/health.ts";
import { profileRoutes } from "./routes/profile.ts";

export interface AppParts {
  /** Whether a request may have been meant for this server, by the host that it names. */
  readonly isOwnHost: (host: string) => boolean;
  readonly sessions: SessionManager;
  /** Hears of every event of `sessions`. */
  readonly live: LiveSessions;
  readonly health: Health;
  /** Takes one line for each request that failed through no fault of its sender. */
  readonly log: (line: string) => void;
}

const PUBLIC = fileURLToPath(new URL("../public", import.meta.url));

export function createApp({ sessions, live, health, log, isOwnHost }: AppParts): Express {
  const app = express();
  // A tag computed from a private answer would be one more place where it can be recognised.
  app.set("etag", false);
  app.use(assignRequestId, securityHeaders());
  app.use((req, res, next) => {
    if (health.isDraining()) res.set("Connection", "close");
    // "If-None-Match: *" would turn a private answer into an empty 304; we give no tags to match.
    delete req.headers["if-none-match"];
    // A page of another site whose name was pointed at 127.0.0.1 (DNS rebinding) names that site.
    if (!isOwnHost(req.hostname)) {
      throw new Problem({ status: 403, code: "forbidden", title: "Not a name of this server" });
    }
    next();
  });
  app.use(healthRoutes(health));
  app.use("/auth", authRoutes(sessions));
  app.use("/auth", eventRoutes(sessions, live));
  app.use(profileRoutes(sessions));
  app.use(express.static(PUBLIC, { etag: false }));
  app.use(notFound);
  app.use(problemHandler(log));
  return app;
}

/** Nothing from elsewhere, nothing inline, in no frame. The page at `/` needs no more than that. */
function securityHeaders(): express.RequestHandler {
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
    strictTransportSecurity: false,
    xFrameOptions: { action: "deny" },
  });
}
