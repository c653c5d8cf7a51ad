/** "Your devices": the sessions of a user, and how to end them. In both profiles. */
import { type Request, type RequestHandler, Router } from "express";
import type { SessionInfo, SessionManager } from "latchkey";
import { expressSessions, requireSession } from "latchkey/express";
import { decodeDevice, labelOf } from "../device.ts";
import { isoTime } from "../iso-time.ts";
import { methodNotAllowed, notRevoked, Problem, refuse } from "../problem.ts";
import { type HandleOf, handlesOf } from "../session-handle.ts";

export interface DeviceRoutesParts {
  readonly sessions: SessionManager;
  /** Whether an id alone lets in: then lists show something else. */
  readonly isSidSecret: boolean;
  /** Whether other sessions are only ended by who has authenticated a moment ago. */
  readonly needsFreshLogin: boolean;
}

/** ASVS 7.5.2: who ends other sessions has proved who he is; a login just now counts. */
const FRESH = "10m";
export function deviceRoutes(parts: DeviceRoutesParts): Router {
  const router = Router();
  const open = expressSessions(parts.sessions);
  const loggedIn = requireSession({ refuse });
  const handleOf = handlesOf(parts);
  router
    .route("/sessions")
    .get(open, loggedIn, list(parts, handleOf))
    .delete(open, loggedIn, endMany(parts))
    .all(methodNotAllowed("GET, HEAD, DELETE"));
  router
    .route("/sessions/:id")
    .delete(open, loggedIn, endOne(parts, handleOf))
    .all(methodNotAllowed("DELETE"));
  return router;
}

function list({ sessions }: DeviceRoutesParts, handleOf: HandleOf): RequestHandler {
  return async (req, res) => {
    const { user, sid } = holder(req);
    const found = await sessions.list(user);
    res.json({ sessions: found.map((info) => shown(info, handleOf, info.sid === sid)) });
  };
}

function shown(info: SessionInfo, handleOf: HandleOf, current: boolean): object {
  return {
    id: handleOf(info.sid),
    current,
    createdAt: isoTime(info.createdAt),
    lastSeenAt: isoTime(info.lastSeenAt),
    expiresAt: isoTime(info.expiresAt),
    device: shownDevice(info.device),
  };
}

/** Undefined where nothing is kept. */
export function shownDevice(device: string | undefined): object | undefined {
  if (device === undefined) return undefined;
  const { where, userAgent } = decodeDevice(device);
  return { label: labelOf(userAgent), where, userAgent };
}

function endOne(parts: DeviceRoutesParts, handleOf: HandleOf): RequestHandler {
  return async (req, res) => {
    const { user, sid } = holder(req);
    const { id } = req.params;
    if (id === handleOf(sid)) {
      await orNotRevoked(() => req.session.logout());
    } else {
      // Before it is looked for: who may not end it does not learn whether it is there.
      requireFresh(parts, req);
      await orNotRevoked(() => revoke(parts.sessions, user, (other) => handleOf(other) === id));
    }
    res.status(204).end();
  };
}

/** One of the user's own, found in the list: anything else is one and the same 404. */
async function revoke(
  sessions: SessionManager,
  user: string,
  isMeant: (sid: string) => boolean,
): Promise<void> {
  const found = (await sessions.list(user)).find(({ sid }) => isMeant(sid));
  const why = { owner: user, actor: user, reason: "device-list" };
  const outcome = found === undefined ? "absent" : await sessions.revoke(found.sid, why);
  if (outcome === "absent") {
    throw new Problem({ status: 404, code: "not_found", title: "No such session" });
  }
}

function endMany(parts: DeviceRoutesParts): RequestHandler {
  return async (req, res) => {
    const { scope } = req.query;
    if (scope !== "others" && scope !== "all") throw badScope();
    requireFresh(parts, req);
    const { user, sid } = holder(req);
    const why = { actor: user, reason: "device-list" };
    await orNotRevoked(async () => {
      await parts.sessions.revokeUser(user, scope === "others" ? { ...why, except: sid } : why);
      // Somebody with the same token has it rotated meanwhile: then the exception became his.
      if (scope === "others" && (await req.session.peek()).status === "rotated") {
        await parts.sessions.revokeUser(user, why);
      }
      // It has ended with the others; this clears the cookie.
      if (scope === "all") await req.session.logout();
    });
    res.status(204).end();
  };
}

function requireFresh({ needsFreshLogin }: DeviceRoutesParts, req: Request): void {
  if (!needsFreshLogin || req.session.isFresh(FRESH)) return;
  throw new Problem({ status: 403, code: "reauth_required", title: "Log in again first" });
}

function holder({ session }: Request): { readonly user: string; readonly sid: string } {
  const { user, sid } = session;
  if (user === undefined || sid === undefined) throw new TypeError("only behind requireSession");
  return { user, sid };
}

async function orNotRevoked(end: () => Promise<void>): Promise<void> {
  try {
    await end();
  } catch (error) {
    throw notRevoked(error);
  }
}

function badScope(): Problem {
  const errors = [{ pointer: "/scope", message: 'must be "others" or "all"' }];
  const title = "The request is not valid";
  return new Problem({ status: 400, code: "invalid_request", title, errors });
}
