/** LOG-3, LOG-5, LOG-6: what happened, in OWASP's words, and no secret in any of them. */
import { createHmac } from "node:crypto";
import { createSessions, parseSessionId, type SessionEvent, type SessionId } from "latchkey";
import { memoryStore } from "latchkey/memory";
import { describe, expect, test } from "vitest";
import {
  AUDIT_NAMES,
  type AuditEvent,
  type Occurrence,
} from "../apps/server/src/log/audit-event.ts";
import { pseudonymizer } from "../apps/server/src/log/pseudonym.ts";
import { withinRequest } from "../apps/server/src/log/request-context.ts";
import { keptAudit, PSEUDONYM_KEY } from "./support/kept-audit.ts";

const SID = sidOf("AbCdEfGhIjKlMnOpQrStUvWx");
const REQUEST = { requestId: "r1", where: "192.0.2.0/24" };
const TYPED = "correct horse battery staple";

/** The one event that comes of an occurrence. */
function recorded(occurrence: Occurrence, layout: "split" | "literal" = "split"): AuditEvent {
  const { audit, events } = keptAudit(layout);
  withinRequest(REQUEST, () => audit.record(occurrence));
  const [event] = events;
  if (event === undefined || events.length !== 1) throw new Error(`${events.length} events`);
  return event;
}

const KNOWN = { name: "ada", isKnown: true };
const UNKNOWN = { name: TYPED, isKnown: false };

/** One of each, with what must be in the event besides time, place and request. */
const ONE_OF_EACH: readonly (readonly [Occurrence, Partial<AuditEvent>])[] = [
  [
    { event: "authn_login_success", user: "ada", sid: SID },
    { level: "info", result: "success", who: "ada", session: SID },
  ],
  [
    { event: "authn_login_successafterfail", user: "ada", sid: SID, count: 3 },
    { level: "info", result: "success", who: "ada", count: 3 },
  ],
  [
    { event: "authn_login_fail", user: KNOWN, what: "password" },
    { level: "warn", result: "failure", who: "ada", what: "password" },
  ],
  [
    { event: "authn_login_fail_max", user: KNOWN, count: 100 },
    { level: "warn", result: "failure", who: "ada", count: 100 },
  ],
  [
    { event: "authn_login_lock", user: KNOWN, what: "administrator" },
    { level: "warn", result: "failure", who: "ada" },
  ],
  [
    { event: "authn_password_change", user: "ada", sid: SID },
    { level: "info", result: "success", who: "ada" },
  ],
  [
    { event: "authn_password_change_fail", user: "ada", sid: SID, what: "current" },
    { level: "error", result: "failure" },
  ],
  [
    { event: "authn_token_reuse", user: "ada", sid: SID, count: 5_000 },
    { level: "error", result: "failure", count: 5_000 },
  ],
  [
    { event: "session_created", user: "ada", sid: SID },
    { level: "info", result: "success", session: SID },
  ],
  [
    { event: "session_renewed", user: "ada", sid: SID, what: "rotation" },
    { level: "info", result: "success" },
  ],
  [
    { event: "session_expired", user: "ada", sid: SID },
    { level: "info", result: "success" },
  ],
  [
    { event: "session_logout", user: "ada", sid: SID },
    { level: "info", result: "success" },
  ],
  [
    { event: "session_use_after_expire", user: undefined, sid: SID },
    { level: "warn", result: "failure", who: undefined, session: SID },
  ],
  [
    { event: "session_revoked", user: "ada", sid: SID, what: "revoked", by: "grace" },
    { level: "info", result: "success", who: "ada", by: "grace" },
  ],
  [
    { event: "session_tampered", user: undefined, sid: SID, what: "wrong-secret" },
    { level: "error", result: "failure", what: "wrong-secret" },
  ],
  [
    { event: "authz_fail", user: "ada", sid: SID, what: "admin" },
    { level: "error", result: "failure", what: "admin" },
  ],
  [
    { event: "authz_admin", user: "ada", sid: undefined, what: "revoke", by: "grace" },
    { level: "warn", result: "success", by: "grace" },
  ],
  [
    { event: "excess_rate_limit_exceeded", user: UNKNOWN, what: "login" },
    { level: "warn", result: "failure", who: undefined },
  ],
  [
    { event: "excess_sessions_exceeded", user: "ada", sid: undefined, what: "limit" },
    { level: "warn", result: "failure", session: undefined },
  ],
  [
    { event: "input_validation_fail", what: "/username" },
    { level: "warn", result: "failure", what: "/username" },
  ],
  [
    { event: "malicious_csrf", user: undefined, sid: undefined },
    { level: "error", result: "failure" },
  ],
  [
    { event: "sys_startup", what: "demo" },
    { level: "warn", result: "success", what: "demo" },
  ],
  [
    { event: "key_rotated", what: "k2" },
    { level: "warn", result: "success", what: "k2" },
  ],
];

describe("LOG-5: one event of each name, with who, what, when, where, result, request", () => {
  test.each(ONE_OF_EACH)("$event", (occurrence, expected) => {
    const { event } = occurrence;
    const common = { event, time: "2026-01-02T03:04:05.006Z", ...REQUEST };
    expect(recorded(occurrence)).toMatchObject({ ...common, ...expected });
    const { audit, lines } = keptAudit();
    withinRequest(REQUEST, () => audit.record(occurrence));
    // Through JSON: what is undefined is not there.
    expect(lines()).toEqual([JSON.parse(JSON.stringify({ ...recorded(occurrence), ...common }))]);
  });

  test("none is left out", () => {
    expect(ONE_OF_EACH.map(([{ event }]) => event).sort()).toEqual([...AUDIT_NAMES].sort());
  });

  test("outside of a request there is no place and no request id", () => {
    const { audit, events } = keptAudit();
    audit.record({ event: "sys_startup", what: "demo" });
    expect(events).toMatchObject([{ where: undefined, requestId: undefined }]);
  });

  test("a request is the one that the code works for, also after waiting", async () => {
    const { audit, events } = keptAudit();
    const request = async (requestId: string) =>
      withinRequest({ requestId, where: undefined }, async () => {
        await Promise.resolve();
        audit.record({ event: "input_validation_fail", what: requestId });
      });
    await Promise.all([request("r1"), request("r2")]);
    expect(events.map(({ requestId, what }) => [requestId, what])).toEqual([
      ["r1", "r1"],
      ["r2", "r2"],
    ]);
  });
});

describe("LOG-5: what the library tells, in OWASP's words", () => {
  const told = (event: SessionEvent) => {
    const { audit, events } = keptAudit();
    audit.onEvent(event);
    return events;
  };
  const session = { sid: SID, user: "ada" };
  const ended = (reason: string, actor?: string) =>
    ({ type: "revoked", ...session, reason, actor }) as const;

  test.each<[SessionEvent, Partial<AuditEvent>[]]>([
    [{ type: "created", ...session }, [{ event: "session_created", who: "ada", session: SID }]],
    [
      { type: "created", sid: SID, user: undefined },
      [{ event: "session_created", who: undefined }],
    ],
    [
      { type: "rotated", ...session, from: SID, reason: "login" },
      [{ event: "session_renewed", what: "login" }],
    ],
    [{ type: "expired", ...session }, [{ event: "session_expired", who: "ada" }]],
    [
      { type: "reused", ...session, lateMs: 9 },
      [{ event: "authn_token_reuse", who: "ada", count: 9 }],
    ],
    [ended("logout", "ada"), [{ event: "session_logout", who: "ada", session: SID }]],
    [
      ended("revoked", "grace"),
      [{ event: "session_revoked", who: "ada", by: "grace", what: "revoked" }],
    ],
    [ended("login"), [{ event: "session_revoked", what: "login", by: undefined }]],
    [
      ended("evicted"),
      [
        { event: "excess_sessions_exceeded", what: "evicted" },
        { event: "session_revoked", what: "evicted" },
      ],
    ],
    [
      { type: "user-revoked", user: "ada", reason: "password-change", actor: "ada", count: 4 },
      [
        {
          event: "session_revoked",
          who: "ada",
          by: "ada",
          what: "password-change",
          count: 4,
          session: undefined,
        },
      ],
    ],
    ...(
      [
        [
          "malformed",
          { event: "input_validation_fail", what: "malformed-credential", who: undefined },
        ],
        ["duplicate", { event: "input_validation_fail", what: "duplicate-credential" }],
        ["csrf", { event: "malicious_csrf" }],
        ["missing", { event: "session_use_after_expire", session: SID }],
        ["wrong-secret", { event: "session_tampered", what: "wrong-secret", session: SID }],
        ["corrupt", { event: "session_tampered", what: "corrupt" }],
        ["limit", { event: "excess_sessions_exceeded", who: "ada", what: "limit" }],
        ["stale", { event: "authn_login_fail", who: "ada", what: "stale", whoHash: undefined }],
      ] as const
    ).map(([reason, event]): [SessionEvent, Partial<AuditEvent>[]] => [
      { type: "refused", ...session, reason },
      [event],
    ]),
  ])("%o", (event, expected) => {
    expect(told(event)).toMatchObject(expected);
    expect(told(event)).toHaveLength(expected.length);
  });

  test("a real life of a session, told by a real manager", async () => {
    const { audit, events } = keptAudit();
    const store = memoryStore();
    const sessions = createSessions({ store, onEvent: audit.onEvent, maxPerUser: 1 });
    const visit = async (token?: string) => {
      const headers = (name: string) => (name === "x-session-id" && token ? [token] : []);
      const head = { responseHeader: () => [], setResponseHeader: () => {} };
      const exchange = { method: "POST", scheme: "https", headers, ...head } as const;
      return (await sessions.visit(exchange)).session;
    };
    const { token: first } = await (await visit()).login("ada", { transport: "header" });
    const { token } = await (await visit()).login("ada", { transport: "header" });
    await visit(first);
    await visit(`${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`);
    await visit("x");
    await (await visit(token)).logout();
    expect(events.map(({ event }) => event)).toEqual([
      "session_created",
      ...["session_created", "excess_sessions_exceeded", "session_revoked"],
      "session_use_after_expire",
      "session_tampered",
      "input_validation_fail",
      "session_logout",
    ]);
    const text = JSON.stringify(events);
    for (const credential of [first, token]) {
      expect(text).not.toContain(credential.split(".")[1]);
    }
    await store.close();
  });
});

describe("LOG-3, LOG-6: no credential, and nothing that may be a password", () => {
  test("literal layout: 12 digits of an HMAC in place of the session id", () => {
    const event = recorded({ event: "session_created", user: "ada", sid: SID }, "literal");
    const expected = createHmac("sha256", PSEUDONYM_KEY)
      .update(`session\0${SID}`)
      .digest("hex")
      .slice(0, 12);
    expect(event.session).toBe(expected);
    expect(JSON.stringify(event)).not.toContain(SID);
  });

  test("a typed name that nobody has stands there as its HMAC alone", () => {
    for (const [occurrence] of ONE_OF_EACH) {
      const { event: name } = occurrence;
      if (!/^(authn_login_(fail|lock)|excess_rate)/.test(name)) continue;
      const event = recorded({ ...occurrence, user: UNKNOWN } as Occurrence);
      expect(event.who).toBeUndefined();
      expect(event.whoHash).toMatch(/^[0-9a-f]{12}$/);
      expect(JSON.stringify(event)).not.toContain("correct");
    }
  });

  test("the same name twice is the same pseudonym, and not that of a session", () => {
    const pseudonymize = pseudonymizer(PSEUDONYM_KEY);
    expect(pseudonymize("user", SID)).toBe(pseudonymize("user", SID));
    expect(pseudonymize("user", SID)).not.toBe(pseudonymize("session", SID));
  });
});

function sidOf(text: string): SessionId {
  const sid = parseSessionId(text);
  if (sid === undefined) throw new Error(`${text} is a session id`);
  return sid;
}
