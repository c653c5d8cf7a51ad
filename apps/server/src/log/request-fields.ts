/** What the log says of a request: nothing that its sender could use to say something else. */
import type { Request } from "express";
import { requestIdOf } from "../request-id.ts";
import { currentRequest } from "./request-context.ts";

export interface RequestFields {
  readonly requestId: string | undefined;
  readonly method: string;
  /** The pattern that matched, `/auth/sessions/:id`; never the path, which has ids in it. */
  readonly route: string | undefined;
  /** As `keptAddress` has it. */
  readonly where: string | undefined;
  readonly userAgent: string | undefined;
}

export function requestFields(req: Request): RequestFields {
  const pattern: unknown = req.route?.path;
  return {
    requestId: requestIdOf(req),
    method: req.method,
    route: typeof pattern === "string" ? req.baseUrl + pattern : undefined,
    where: currentRequest()?.where,
    userAgent: req.get("user-agent"),
  };
}
