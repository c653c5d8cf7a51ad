/** One line for each request, at level "debug". */
import { performance } from "node:perf_hooks";
import type { RequestHandler } from "express";
import type { Log } from "./logger.ts";
import { requestFields } from "./request-fields.ts";

export function logRequests(log: Pick<Log, "write">): RequestHandler {
  return (req, res, next) => {
    const began = performance.now();
    res.once("finish", () => {
      const durationMs = Math.round(performance.now() - began);
      log.write({
        event: "request_served",
        status: res.statusCode,
        durationMs,
        ...requestFields(req),
      });
    });
    next();
  };
}
