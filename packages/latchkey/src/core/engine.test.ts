/** What a manager adds to the store's verbs: touches, caps, revoke-all, events. */
import { describe, expect, test } from "vitest";
import { exchange, logIn, open } from "../../../../tests/support/sessions.ts";

const MINUTE = 60_000;

describe("the idle timeout", () => {
  test("is 30 minutes by default, and use moves it", async () => {
    const { sessions, clock } = open();
    const { token } = await logIn(sessions, "ada");
    for (let i = 0; i < 5; i++) {
      clock.advance(29 * MINUTE);
      expect((await sessions.check(token)).status).toBe("valid");
    }
    clock.advance(30 * MINUTE);
    expect((await sessions.check(token)).status).toBe("invalid");
  });

  test("moves at most once in a tenth of it, and in no case past the absolute end", async () => {
    const { sessions, clock } = open({ idleTimeout: "30m", absoluteTimeout: "40m" });
    const { token, expiresAt: first } = await logIn(sessions, "ada");
    const expiresAt = async (): Promise<number> => {
      const answer = await sessions.check(token);
      return answer.status === "valid" ? answer.record.expiresAt : 0;
    };
    clock.advance(3 * MINUTE - 1);
    expect(await expiresAt()).toBe(first);
    clock.advance(1);
    expect(await expiresAt()).toBe(first + 3 * MINUTE);
    clock.advance(20 * MINUTE);
    expect(await expiresAt()).toBe(first + 10 * MINUTE);
  });

  test("false: use prolongs nothing", async () => {
    const { sessions, clock } = open({ idleTimeout: false, absoluteTimeout: "1h" });
    const { token } = await logIn(sessions, "ada");
    clock.advance(59 * MINUTE);
    expect((await sessions.check(token)).status).toBe("valid");
    clock.advance(MINUTE);
    expect((await sessions.check(token)).status).toBe("invalid");
  });
});

describe("limits and revoke-all", () => {
  test("maxPerUser: the one that ends first goes, and an event says so", async () => {
    const { sessions, clock, events } = open({ maxPerUser: 2 });
    const first = await logIn(sessions, "ada");
    clock.advance(1);
    await logIn(sessions, "ada");
    clock.advance(1);
    await logIn(sessions, "ada");
    expect((await sessions.check(first.token)).status).toBe("invalid");
    expect(events).toContainEqual(
      expect.objectContaining({ type: "revoked", sid: first.sid, reason: "evicted" }),
    );
  });

  test('atLimit "reject": the login fails with a name, and nobody is logged out', async () => {
    const { sessions } = open({ maxPerUser: 1, atLimit: "reject" });
    const first = await logIn(sessions, "ada");
    await expect(logIn(sessions, "ada")).rejects.toMatchObject({
      code: "session-limit",
      status: 409,
    });
    expect((await sessions.check(first.token)).status).toBe("valid");
  });

  test("revokeUser ends all but one, and tells why and who", async () => {
    const { sessions, events } = open();
    const [a, b] = [await logIn(sessions, "ada"), await logIn(sessions, "ada")];
    const bob = await logIn(sessions, "bob");
    const reason = "password-change";
    expect(await sessions.revokeUser("ada", { except: b.sid, reason, actor: "ada" })).toBe(1);
    const states = await Promise.all([a, b, bob].map(({ token }) => sessions.check(token)));
    expect(states.map(({ status }) => status)).toEqual(["invalid", "valid", "valid"]);
    expect(events).toContainEqual({
      type: "user-revoked",
      user: "ada",
      reason,
      actor: "ada",
      count: 1,
    });
  });

  test("a login whose password was checked before a revokeUser is refused", async () => {
    const { sessions } = open();
    const generation = await sessions.generation("ada");
    await sessions.revokeUser("ada");
    const session = await sessions.open(exchange({}));
    await expect(session.login("ada", { generation })).rejects.toMatchObject({
      code: "stale-credential",
    });
    expect(session.status).toBe("invalid");
  });

  test("a token where a session id belongs is refused, and nobody is logged out", async () => {
    const { sessions } = open();
    const { token } = await logIn(sessions, "ada");
    await expect(sessions.revokeUser("ada", { except: token })).rejects.toMatchObject({
      code: "invalid-sid",
      field: "except",
    });
    await expect(sessions.revoke(token)).rejects.toMatchObject({
      code: "invalid-sid",
      field: "sid",
    });
    expect((await sessions.check(token)).status).toBe("valid");
  });

  test.each<[string, object]>([
    ["generation", { generation: Promise.resolve(1) }],
    ["generation", { generation: Number.NaN }],
    ["keep", { keep: "cart" }],
    ["device", { device: 5 }],
    ["transport", { transport: "bearer" }],
  ])("a login with a bad %s fails before anything ends", async (field, options) => {
    const { sessions } = open();
    const { token } = await logIn(sessions, "ada");
    const session = await sessions.open(exchange({ "x-session-id": token }));
    await expect(session.login("ada", options)).rejects.toMatchObject({
      code: "invalid-option",
      field,
    });
    expect((await sessions.check(token)).status).toBe("valid");
  });

  test("a list holds no secret, not even its hash", async () => {
    const { sessions } = open();
    const { sid } = await logIn(sessions, "ada");
    const [info] = await sessions.list("ada");
    expect(info).toMatchObject({ sid, user: "ada" });
    expect(Object.keys(info ?? {}).sort()).toEqual(
      ["sid", "user", "device", "createdAt", "lastSeenAt", "expiresAt", "absoluteExpiresAt"].sort(),
    );
  });

  test.each<[string, object]>([
    ["maxPeruser", { maxPeruser: 5 }],
    ["cookie.maxAge", { cookie: { maxAge: 5 } }],
    ["onEvent", { onEvent: "log" }],
    ["random", { random: 5 }],
    ["idleTimeout", { idleTimeout: "13h" }],
    ["idleTimeout", { idleTimeout: null }],
    ["atLimit", { atLimit: "reject" }],
    ["maxPerUser", { maxPerUser: 0 }],
    ["maxPerUser", { maxPerUser: 1.5 }],
    ["maxPerUser", { maxPerUser: 10_001 }],
    ["atLimit", { atLimit: "evict-newest" }],
    ["idleTimeout", { idleTimeout: "0m" }],
    ["idleTimeout", { idleTimeout: true }],
  ])("%s is named when it is bad: %o", (field, options) => {
    expect(() => open(options)).toThrow(expect.objectContaining({ code: "invalid-option", field }));
  });
});

test("events: what happened and why, and no secret in any", async () => {
  const { sessions, events } = open();
  const { token, sid } = await logIn(sessions, "ada");
  const [, secret = ""] = token.split(".");
  await sessions.check("malformed");
  await sessions.check(`${sid}.${"x".repeat(32)}`);
  const session = await sessions.open(exchange({ "x-session-id": token }));
  await session.logout();
  await sessions.check(token);
  expect(events).toEqual([
    { type: "created", sid, user: "ada" },
    { type: "refused", sid: undefined, reason: "malformed" },
    { type: "refused", sid, reason: "wrong-secret" },
    { type: "revoked", sid, user: "ada", reason: "logout", actor: "ada" },
    { type: "refused", sid, reason: "missing" },
  ]);
  expect(JSON.stringify(events)).not.toContain(secret);
});

test("a listener that throws ends no request", async () => {
  const { sessions } = open({
    onEvent: () => {
      throw new Error("the log is full");
    },
  });
  const { token } = await logIn(sessions, "ada");
  expect((await sessions.check(token)).status).toBe("valid");
});
