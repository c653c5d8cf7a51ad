/** How a token travels in production: as a cookie, or in the body for a header. Never both. */
import type { Request, RequestHandler } from "express";
import { Problem } from "./problem.ts";
import { senderOf } from "./request-client.ts";

export type Transport = "cookie" | "header";

/**
 * Over plain http a browser sends no Sec-Fetch-Site, but with a POST an Origin. No page can leave out
 * either (https://www.w3.org/TR/fetch-metadata/, RFC 6454 §7).
 */
export function isBrowser(req: Request): boolean {
  return req.get("sec-fetch-site") !== undefined || req.get("origin") !== undefined;
}

/** A browser gets a cookie whatever it asks for: no script is to see its token (ASVS 3.3.4). */
export function transportOf(req: Request, wish: Transport | undefined): Transport {
  return isBrowser(req) ? "cookie" : (wish ?? "header");
}

/** As the session of this request came: for a new token in place of it. */
export function transportOfSession(req: Request): Transport {
  // As the library reads them: the first present of these decides.
  const hasHeader =
    req.get("x-session-id") !== undefined ||
    /(?:^|,\s*)bearer(?![\w-])/i.test(req.get("authorization") ?? "");
  return hasHeader ? "header" : "cookie";
}

/**
 * A password, and a cookie, of a browser over plain http: anybody on the way has read it. Refused, and
 * not answered with a cookie that is less safe. Behind a trusted proxy its word counts.
 */
export const requireHttps: RequestHandler = (req, _res, next) => {
  if (senderOf(req).proto === "https" || !isBrowser(req)) return next();
  throw new Problem({ status: 403, code: "https_required", title: "Use https" });
};
