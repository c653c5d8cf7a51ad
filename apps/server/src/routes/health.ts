/** For whoever runs the server: is the process alive, can it serve. */
import { Router } from "express";
import { methodNotAllowed, Problem } from "../problem.ts";

export interface Health {
  /** True from the stop signal on. */
  isDraining(): boolean;
  /** Rejects when sessions cannot be checked. */
  checkStore(): Promise<void>;
  /** Where sessions are kept. */
  readonly store: "redis" | "memory";
}

export function healthRoutes(health: Health): Router {
  const router = Router();
  const notAllowed = methodNotAllowed("GET, HEAD");
  router
    .route("/livez")
    .get((_req, res) => {
      res.set("Cache-Control", "no-store").json({ status: "alive" });
    })
    .all(notAllowed);
  router
    .route("/readyz")
    .get(async (_req, res) => {
      res.set("Cache-Control", "no-store");
      if (health.isDraining()) {
        throw new Problem({ status: 503, code: "draining", title: "The server is stopping" });
      }
      await health.checkStore();
      res.json({ status: "ready", store: health.store });
    })
    .all(notAllowed);
  return router;
}
