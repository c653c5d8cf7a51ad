/** Become a user, and change one's password. Production only. */
import { type RequestHandler, Router } from "express";
import type { SessionManager } from "latchkey";
import { expressSessions, requireSession } from "latchkey/express";
import { checkEnrolment, checkNewUser, checkPasswordChange } from "../credential-body.ts";
import { readDeviceMark } from "../device-cookie.ts";
import type { Identity } from "../identity.ts";
import { readJson } from "../json-body.ts";
import { answerLogin, untilGone } from "../login-answer.ts";
import { problemOfHindrance } from "../outcome-problem.ts";
import { forged, invalidSession, methodNotAllowed, Problem, refuse } from "../problem.ts";
import { senderNetwork } from "../request-client.ts";
import { sessionUser } from "../session-user.ts";
import { requireHttps, transportOfSession } from "../transport.ts";
import type { PasswordRoutesParts } from "./login.ts";

export function accountRoutes({ sessions, identity, audit }: PasswordRoutesParts): Router {
  const router = Router();
  const open = expressSessions(sessions);
  if (identity.isRegistrationOpen) {
    router
      .route("/register")
      .post(requireHttps, readJson, open, refuseForged, register(identity))
      .all(methodNotAllowed("POST"));
  }
  router
    .route("/enrol")
    .post(requireHttps, readJson, open, refuseForged, enrol(identity))
    .all(methodNotAllowed("POST"));
  router
    .route("/password")
    .post(
      requireHttps,
      readJson,
      open,
      requireSession({ refuse }),
      changePassword({ sessions, identity, audit }),
    )
    .all(methodNotAllowed("POST"));
  return router;
}

/** Nobody is logged in by these two, and yet a page of another site has no business here. */
const refuseForged: RequestHandler = (req, _res, next) => {
  if (req.session.isForged) throw forged();
  next();
};

function register({ accounts }: Identity): RequestHandler {
  return async (req, res) => {
    const { username, password } = checkNewUser(req.body);
    const network = senderNetwork(req);
    const signal = untilGone(res);
    const made = await accounts.register({ username, password, network, signal });
    if (made.outcome === "taken") throw taken();
    if (made.outcome !== "registered") throw problemOfHindrance(made);
    res.status(201).json({ message: "Registered", username });
  };
}

function enrol({ enrolment }: Identity): RequestHandler {
  return async (req, res) => {
    const { token, username, password } = checkEnrolment(req.body);
    const network = senderNetwork(req);
    const signal = untilGone(res);
    const made = await enrolment.redeem({ token, username, password, network, signal });
    if (made.outcome === "taken") throw taken();
    if (made.outcome === "invalid") throw badEnrolment();
    if (made.outcome !== "enrolled") throw problemOfHindrance(made);
    res.status(201).json({ message: "Enrolled", username });
  };
}

/**
 * The other sessions end by the barrier, and this one gets a new token. It is rotated, not begun
 * anew: if somebody has ended it meanwhile, it stays ended.
 */
function changePassword({
  sessions,
  identity: { accounts },
  audit,
}: PasswordRoutesParts): RequestHandler {
  return async (req, res) => {
    const { current, next } = checkPasswordChange(req.body);
    const [username, sid] = [sessionUser(req), req.session.sid];
    const changed = await accounts.changePassword({
      ...{ username, password: current, next, keep: sid },
      network: senderNetwork(req),
      deviceMark: readDeviceMark(req),
      signal: untilGone(res),
    });
    const { outcome } = changed;
    if (outcome !== "done") {
      const event = "authn_password_change_fail";
      audit.record({ event, user: username, sid, what: outcome });
    }
    if (outcome === "not-revoked") throw othersMayLive();
    if (outcome === "conflict") throw changedMeanwhile();
    if (outcome === "absent") throw invalidSession();
    if (outcome !== "done") throw problemOfHindrance(changed, "next");
    audit.record({ event: "authn_password_change", user: username, sid });
    const transport = transportOfSession(req);
    const renewed = await req.session.rotate({ grace: false });
    if (renewed === undefined) {
      // Somebody with the same token and the old password was quicker: the exception became his.
      await endAll(sessions, username);
      throw invalidSession();
    }
    answerLogin(res, renewed, { transport, message: "Password changed" });
  };
}

async function endAll(sessions: SessionManager, user: string): Promise<void> {
  try {
    await sessions.revokeUser(user, { reason: "password-change", actor: user });
  } catch {
    throw othersMayLive();
  }
}

function taken(): Problem {
  return new Problem({ status: 409, code: "username_taken", title: "The username is taken" });
}

/** Unknown, used, too old, or for another name: it does not say which. */
function badEnrolment(): Problem {
  const title = "The enrolment token is not valid";
  return new Problem({ status: 401, code: "invalid_enrolment", title });
}

function othersMayLive(): Problem {
  const title = "The password is changed, but other sessions may still be valid";
  return new Problem({ status: 503, code: "not_revoked", title });
}

function changedMeanwhile(): Problem {
  const title = "The password was changed by somebody else meanwhile";
  return new Problem({ status: 409, code: "conflict", title });
}
