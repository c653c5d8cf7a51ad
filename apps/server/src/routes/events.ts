/** `GET /auth/events`: a page hears at once that its session ends. */
import { type RequestHandler, Router } from "express";
import type { SessionManager } from "latchkey";
import { expressSessions, requireSession } from "latchkey/express";
import { sendHead } from "../live/event-stream.ts";
import type { LiveSessions } from "../live/live-sessions.ts";
import { forged, methodNotAllowed, Problem, refuse } from "../problem.ts";

export function eventRoutes(sessions: SessionManager, live: LiveSessions): Router {
  const router = Router();
  // Read-only: a page that is open does not prolong its session by listening.
  const openSession = expressSessions(sessions, { readOnly: true });
  router
    .route("/events")
    .get(refuseOtherSites, openSession, requireSession({ refuse }), followWith(live))
    .all(methodNotAllowed("GET, HEAD"));
  return router;
}

/**
 * A page of a sibling host sends the cookie along, too, and could take all streams that a session may
 * have. What it would hear it could not read.
 */
const refuseOtherSites: RequestHandler = (req, _res, next) => {
  const site = req.get("sec-fetch-site") ?? "none";
  if (site !== "same-origin" && site !== "none") throw forged();
  next();
};

/** So long after the last of them a tab may try again. */
const RETRY_SECONDS = 5;

function followWith(live: LiveSessions): RequestHandler {
  return function follow(req, res) {
    if (req.method === "HEAD") {
      sendHead(res);
      return void res.end();
    }
    switch (live.follow(req.session, res)) {
      case "following":
        return;
      case "too-many-of-session":
        throw new Problem({
          status: 429,
          code: "throttled",
          title: "The session has too many open streams",
          retryAfterSeconds: RETRY_SECONDS,
        });
      case "too-many":
        throw new Problem({
          status: 503,
          code: "too_many_streams",
          title: "The server has too many open streams",
        });
      case "closed":
        throw new Problem({ status: 503, code: "draining", title: "The server is stopping" });
    }
  };
}
