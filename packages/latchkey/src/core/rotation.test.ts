/** Rotation as handlers see it: session.rotate, and login over one's own session. */
import { describe, expect, test } from "vitest";
import { cookieOf, exchange, logIn, open } from "../../../../tests/support/sessions.ts";

const SECOND = 1_000;
const MINUTE = 60_000;

describe.each(["split", "literal"] as const)("rotate in the %s layout", (layout) => {
  test("gives a new token, and the old one works for the grace of 10 seconds", async () => {
    const { sessions, clock, events } = open({ layout });
    const { token, sid } = await logIn(sessions, "ada");
    const session = await sessions.open(exchange({ "x-session-id": token }));
    const rotated = await session.rotate();
    expect(rotated?.token).not.toBe(token);
    expect(rotated?.sid === sid).toBe(layout === "split");
    expect(session).toMatchObject({ status: "valid", user: "ada", sid: rotated?.sid });
    for (const works of [token, rotated?.token ?? ""]) {
      expect(await sessions.check(works)).toMatchObject({ status: "valid" });
    }
    clock.advance(10 * SECOND);
    expect((await sessions.check(rotated?.token ?? "")).status).toBe("valid");
    events.length = 0;
    clock.advance(5);
    expect((await sessions.check(token)).status).toBe("invalid");
    const user = layout === "split" ? "ada" : undefined;
    expect(events).toEqual([{ type: "reused", sid, user, lateMs: 5 }]);
  });

  // Rotating by regenerate() logs out whoever has a second request under way.
  test("50 requests across a rotation: none is logged out, no update is lost", async () => {
    const { sessions, events } = open({ layout });
    const { token } = await logIn(sessions, "ada");
    const seen = await Promise.all(
      Array.from({ length: 50 }, () => sessions.open(exchange({ "x-session-id": token }))),
    );
    const tokens = await Promise.all(
      seen.map(async (session, i) => {
        session.data[`n${i}`] = i;
        const rotated = i % 5 === 0 ? await session.rotate() : undefined;
        expect(await session.commit()).toBe("updated");
        return rotated?.token;
      }),
    );
    const fresh = new Set(tokens.filter(Boolean));
    expect(fresh.size).toBe(1);
    const [next = ""] = fresh;
    const after = await sessions.open(exchange({ "x-session-id": next ?? "" }));
    expect(Object.keys(after.data)).toHaveLength(50);
    expect(events.filter(({ type }) => type === "rotated")).toHaveLength(1);
    expect(events.filter(({ type }) => type === "refused")).toEqual([]);
  });

  test("grace: false ends the old token at once", async () => {
    const { sessions } = open({ layout });
    const { token } = await logIn(sessions, "ada");
    const session = await sessions.open(exchange({ "x-session-id": token }));
    const rotated = await session.rotate({ grace: false });
    expect((await sessions.check(token)).status).toBe("invalid");
    expect((await sessions.check(rotated?.token ?? "")).status).toBe("valid");
  });

  test("a logout with the old token ends the session for the new one too", async () => {
    const { sessions } = open({ layout });
    const { token } = await logIn(sessions, "ada");
    const leaving = await sessions.open(exchange({ "x-session-id": token }));
    const rotating = await sessions.open(exchange({ "x-session-id": token }));
    const rotated = await rotating.rotate({ grace: false });
    await leaving.logout();
    expect((await sessions.check(rotated?.token ?? "")).status).toBe("invalid");
  });

  test("a login over one's own session renews it: new id, same data, no grace", async () => {
    const { sessions, clock, events } = open({ layout, absoluteTimeout: "1h" });
    const first = exchange({});
    const session = await sessions.open(first);
    const begun = await session.login("ada");
    session.data["cart"] = ["a"];
    await session.commit();
    clock.advance(20 * MINUTE);
    const again = await sessions.open(exchange(cookieOf(first)));
    const seen = exchange(cookieOf(first));
    const login = await (await sessions.open(seen)).login("ada");
    expect(login.sid).not.toBe(begun.sid);
    expect(cookieOf(seen)["cookie"]).toContain(login.token);
    expect((await sessions.check(begun.token)).status).toBe("invalid");
    clock.advance(29 * MINUTE);
    const later = await sessions.open(exchange(cookieOf(seen)));
    expect(later.data).toEqual({ cart: ["a"] });
    expect(later.authTime).toBe((later.createdAt ?? 0) + 20 * MINUTE);
    expect(later.expiresAt).toBeGreaterThan(begun.expiresAt);
    const rotations = events.filter(({ type }) => type === "rotated");
    expect(rotations).toEqual([
      { type: "rotated", sid: login.sid, from: begun.sid, user: "ada", reason: "login" },
    ]);
    // Whoever was under way with the old token has no part in the new login.
    again.data["late"] = true;
    expect(await again.commit()).toBe("gone");
    expect(await sessions.list("ada")).toHaveLength(1);
  });
});

describe("rotate", () => {
  test("comes as a cookie where the token came as one, else in the answer alone", async () => {
    const { sessions } = open();
    const first = exchange({});
    const { token } = await (await sessions.open(first)).login("ada");
    const byHeader = exchange({ "x-session-id": token });
    await (await sessions.open(byHeader)).rotate();
    expect(byHeader.cookies).toEqual([]);
    const byCookie = exchange(cookieOf(first));
    const rotated = await (await sessions.open(byCookie)).rotate();
    expect(byCookie.cookies).toHaveLength(1);
    expect(byCookie.cookies[0]).toContain(`__Host-sid=${rotated?.token};`);
  });

  test("without a session, or with one that ended meanwhile, gives nothing", async () => {
    const { sessions } = open();
    expect(await (await sessions.open(exchange({}))).rotate()).toBeUndefined();
    const { token, sid } = await logIn(sessions, "ada");
    const session = await sessions.open(exchange({ "x-session-id": token }));
    await sessions.revoke(sid);
    expect(await session.rotate()).toBeUndefined();
    expect(session.status).toBe("invalid");
  });

  test("an id without its secret raises no alarm", async () => {
    const { sessions, clock, events } = open();
    const { token, sid } = await logIn(sessions, "ada");
    const session = await sessions.open(exchange({ "x-session-id": token }));
    await session.login("ada");
    clock.advance(MINUTE);
    events.length = 0;
    await sessions.check(`${sid}.${"x".repeat(32)}`);
    expect(events).toEqual([{ type: "refused", sid, user: undefined, reason: "wrong-secret" }]);
  });

  test("the new secret is not in what the store has", async () => {
    const { sessions, store } = open();
    const { token, sid } = await logIn(sessions, "ada");
    const session = await sessions.open(exchange({ "x-session-id": token }));
    const rotated = await session.rotate();
    const kept = JSON.stringify(await store.load(sid));
    for (const known of [token, rotated?.token]) {
      expect(kept).not.toContain(known?.split(".")[1]);
    }
  });

  test.each<[string, object]>([
    ["rotationGrace", { rotationGrace: "6m" }],
    ["rotationGrace", { rotationGrace: "soon" }],
  ])("%s is named when it is bad: %o", (field, options) => {
    expect(() => open(options)).toThrow(expect.objectContaining({ code: "invalid-option", field }));
  });

  test("a bad grace is refused, and nothing is rotated", async () => {
    const { sessions, events } = open();
    const { token } = await logIn(sessions, "ada");
    const session = await sessions.open(exchange({ "x-session-id": token }));
    const bad = { grace: "0s" } as unknown as { grace: false };
    await expect(session.rotate(bad)).rejects.toMatchObject({ field: "grace" });
    expect(events.map(({ type }) => type)).toEqual(["created"]);
  });
});

test("events tell of sessions that ran out, once, when they are seen", async () => {
  const { sessions, clock, events } = open();
  const { sid } = await logIn(sessions, "ada");
  const other = await logIn(sessions, "ada");
  clock.advance(31 * MINUTE);
  await sessions.list("ada");
  await logIn(sessions, "ada");
  const seen = events.filter(({ type }) => type === "expired");
  expect(seen).toEqual([
    { type: "expired", sid, user: "ada" },
    { type: "expired", sid: other.sid, user: "ada" },
  ]);
});
