/** ★ Log in with a password, and prove again who one is. Production only. */
import { type RequestHandler, Router } from "express";
import type { SessionManager } from "latchkey";
import { expressSessions, requireSession } from "latchkey/express";
import { checkPasswordLogin, checkReauthentication } from "../credential-body.ts";
import { giveDeviceMark, readDeviceMark } from "../device-cookie.ts";
import type { Identity } from "../identity.ts";
import { readJson } from "../json-body.ts";
import type { Audit } from "../log/audit.ts";
import { answerLogin, deviceOf, untilGone } from "../login-answer.ts";
import { problemOfHindrance } from "../outcome-problem.ts";
import { forged, methodNotAllowed, refuse } from "../problem.ts";
import { senderNetwork } from "../request-client.ts";
import { sessionUser } from "../session-user.ts";
import { requireHttps, transportOf, transportOfSession } from "../transport.ts";

export interface PasswordRoutesParts {
  readonly sessions: SessionManager;
  readonly identity: Identity;
  readonly audit: Pick<Audit, "record">;
}

export function loginRoutes({ sessions, identity, audit }: PasswordRoutesParts): Router {
  const router = Router();
  const open = expressSessions(sessions);
  router
    .route("/login")
    .post(requireHttps, readJson, open, logIn(identity, audit))
    .all(methodNotAllowed("POST"));
  router
    .route("/reauthenticate")
    .post(requireHttps, readJson, open, requireSession({ refuse }), reauthenticate(identity, audit))
    .all(methodNotAllowed("POST"));
  return router;
}

function logIn({ login, marks }: Identity, audit: Pick<Audit, "record">): RequestHandler {
  return async (req, res) => {
    const { username, password, transport: wish } = checkPasswordLogin(req.body);
    // No other site logs anybody in here; seen before a hash is computed for it.
    if (req.session.isForged) throw forged();
    const known = await login.authenticate({
      ...{ username, password },
      network: senderNetwork(req),
      deviceMark: readDeviceMark(req),
      signal: untilGone(res),
    });
    if (known.outcome !== "ok") throw problemOfHindrance(known);
    const { user, generation } = known;
    const transport = transportOf(req, wish);
    const begun = await req.session.login(user, { transport, generation, device: deviceOf(req) });
    audit.record({ event: "authn_login_success", user, sid: begun.sid });
    if (transport === "cookie" && marks.deviceOf(readDeviceMark(req), user) === undefined) {
      giveDeviceMark(res, marks.issue(user));
    }
    answerLogin(res, begun, { transport, message: "Logged in" });
  };
}

function reauthenticate({ login }: Identity, audit: Pick<Audit, "record">): RequestHandler {
  return async (req, res) => {
    const { password } = checkReauthentication(req.body);
    const known = await login.authenticate({
      ...{ username: sessionUser(req), password },
      network: senderNetwork(req),
      deviceMark: readDeviceMark(req),
      bucket: "reauthenticate",
      signal: untilGone(res),
    });
    if (known.outcome !== "ok") throw problemOfHindrance(known);
    const { user, generation } = known;
    const transport = transportOfSession(req);
    const renewed = await req.session.login(user, { transport, generation, device: deviceOf(req) });
    audit.record({ event: "authn_login_success", user, sid: renewed.sid });
    answerLogin(res, renewed, { transport, message: "Authenticated again" });
  };
}
