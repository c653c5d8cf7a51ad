/** Log in, log out, and what is known of the session. */
import { type RequestHandler, Router } from "express";
import { isSessionError, type SessionManager } from "latchkey";
import { expressSessions, requireSession } from "latchkey/express";
import { checkLoginBody, type LoginBody, readJson } from "../login-body.ts";
import { forged, methodNotAllowed, Problem, refuse } from "../problem.ts";

/** @param byUsername whether a username is enough to log in; else there is no login */
export function authRoutes(
  sessions: SessionManager,
  { byUsername }: { readonly byUsername: boolean },
): Router {
  const router = Router();
  const openSession = expressSessions(sessions);
  if (byUsername) {
    // The body is checked before the session is opened: bad input costs no Redis command.
    router
      .route("/login")
      .post(readJson, checkBody, openSession, logIn)
      .all(methodNotAllowed("POST"));
  }
  router.route("/logout").post(openSession, logOut).all(methodNotAllowed("POST"));
  router
    .route("/session")
    .get(openSession, requireSession({ refuse }), showSession)
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
    if (!isSessionError(error) || error.code !== "store-unavailable") throw error;
    const title = "The session may still be valid";
    throw new Problem({ status: 503, code: "not_revoked", title }, { cause: error });
  }
  res.status(204).end();
};

const showSession: RequestHandler = (req, res) => {
  const { user, sid, createdAt, expiresAt, absoluteExpiresAt } = req.session;
  res.json({
    username: user,
    sessionId: sid,
    createdAt: isoTime(createdAt),
    expiresAt: isoTime(expiresAt),
    absoluteExpiresAt: isoTime(absoluteExpiresAt),
  });
};

/** Undefined stays out of the JSON: what the layout does not know is not guessed. */
function isoTime(at: number | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString();
}
