/** The protected route: only with a live session. */
import { Router } from "express";
import type { SessionManager } from "latchkey";
import { expressSessions, requireSession } from "latchkey/express";
import { methodNotAllowed, refuse } from "../problem.ts";

export function profileRoutes(sessions: SessionManager): Router {
  const router = Router();
  router
    .route("/profile")
    .get(expressSessions(sessions), requireSession({ refuse }), (req, res) => {
      res.json({ username: req.session.user, secretData: "This came from protected route" });
    })
    .all(methodNotAllowed("GET, HEAD"));
  return router;
}
