/** A name for each request, in its answer and in the log, so that the two can be matched. */
import { randomBytes } from "node:crypto";
import type { Request, RequestHandler } from "express";

const ids = new WeakMap<Request, string>();

export const assignRequestId: RequestHandler = (req, res, next) => {
  const id = randomBytes(9).toString("base64url");
  ids.set(req, id);
  res.set("X-Request-Id", id);
  next();
};

export function requestIdOf(req: Request): string | undefined {
  return ids.get(req);
}
