/** Log out, and what is known of the session; in the demo also the login, by username alone. */
import { type RequestHandler, Router } from "express";
import type { SessionManager } from "latchkey";
import { expressSessions, requireSession } from "latchkey/express";
import { isoTime } from "../iso-time.ts";
import { readJson } from "../json-body.ts";
import { checkLoginBody, type LoginBody } from "../login-body.ts";
import { forged, methodNotAllowed, notRevoked, refuse } from "../problem.ts";
import { shownDevice } from "./devices.ts";

/** Whoever asks for it is believed. Demo only. */
export function demoLoginRoutes(sessions: SessionManager): Router {
  const router = Router();
  // The body is checked before the session is opened: bad input costs no Redis command.
  router
    .route("/login")
    .post(readJson, checkBody, expressSessions(sessions), logIn)
    .all(methodNotAllowed("POST"));
  return router;
}

/** @param amr how users here have proved who they are (RFC 8176); undefined: they have not */
export function sessionRoutes(
  sessions: SessionManager,
  amr: readonly string[] | undefined,
): Router {
  const router = Router();
  const openSession = expressSessions(sessions);
  router.route("/logout").post(openSession, logOut).all(methodNotAllowed("POST"));
  router
    .route("/session")
    .get(openSession, requireSession({ refuse }), showSession(amr))
    .all(methodNotAllowed("GET, HEAD"));
  return router;
}

const checkBody: RequestHandler = (req, _res, next) => {
  req.body = checkLoginBody(req.body);
  next();
};

const logIn: RequestHandler = async (req, res) => {
  const { username, transport }: LoginBody = req.body;
  // Whatever the transport: no other site logs anybody in here.
  if (req.session.isForged) throw forged();
  // Browsers say where a request comes from; curl, Postman and other servers do not.
  const fromBrowser = req.get("sec-fetch-site") !== undefined;
  const login = await req.session.login(username, {
    transport: transport ?? (fromBrowser ? "cookie" : "header"),
  });
  res.json({ message: "Logged in", sessionId: login.token });
};

const logOut: RequestHandler = async (req, res) => {
  try {
    await req.session.logout();
  } catch (error) {
    throw notRevoked(error);
  }
  res.status(204).end();
};

function showSession(amr: readonly string[] | undefined): RequestHandler {
  return (req, res) => {
    const { user, sid, createdAt, expiresAt, absoluteExpiresAt, authTime, device } = req.session;
    res.json({
      username: user,
      sessionId: sid,
      createdAt: isoTime(createdAt),
      expiresAt: isoTime(expiresAt),
      absoluteExpiresAt: isoTime(absoluteExpiresAt),
      authTime: isoTime(authTime),
      amr,
      device: shownDevice(device),
    });
  };
}
