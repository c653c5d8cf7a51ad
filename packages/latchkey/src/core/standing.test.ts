/** `session.peek`: what a connection that is kept open hears of its session, and that nobody else does. */
import { describe, expect, test } from "vitest";
import { exchange, logIn, open } from "../../../../tests/support/sessions.ts";
import type { SessionManager } from "./manager.ts";

const MINUTE = 60_000;
const by = (token: string) => exchange({ "x-session-id": token });

describe.each(["split", "literal"] as const)("in the %s layout", (layout) => {
  test("a live session tells its end, which looking does not move", async () => {
    const { sessions, clock } = open({ layout, idleTimeout: "30m" });
    const session = await connected(sessions);
    clock.advance(10 * MINUTE);
    // `check` would have begun the 30 minutes anew.
    expect(await session.peek()).toEqual({
      status: "live",
      expiresAt: clock.now() + 20 * MINUTE,
      remainingMs: 20 * MINUTE,
      isRemembered: false,
    });
    clock.advance(20 * MINUTE);
    expect(await session.peek()).toEqual({ status: "gone" });
  });

  test("a revoked one is gone", async () => {
    const { sessions } = open({ layout });
    const session = await connected(sessions);
    await sessions.revoke(session.sid ?? "");
    expect(await session.peek()).toEqual({ status: "gone" });
  });

  // Asked by `check`, each of these was an event "refused" or "reused", as if somebody had used it.
  test("no listener hears that somebody looked", async () => {
    const { sessions, events, clock } = open({ layout, rotationGrace: "10s" });
    const [rotated, revoked] = [await connected(sessions), await connected(sessions)];
    await rotated.elsewhere("rotate");
    await sessions.revoke(revoked.sid ?? "");
    clock.advance(MINUTE);
    events.length = 0;
    expect(await rotated.peek()).toEqual({ status: "rotated" });
    expect(await revoked.peek()).toEqual({ status: "gone" });
    expect(events).toEqual([]);
  });

  test.each(["rotate", "login"] as const)("after a %s elsewhere it is rotated", async (how) => {
    const { sessions, clock } = open({ layout, rotationGrace: "10s" });
    const session = await connected(sessions);
    await session.elsewhere(how);
    // Also while the old token still works.
    expect(await session.peek()).toEqual({ status: "rotated" });
    clock.advance(11_000);
    expect(await session.peek()).toEqual({ status: "rotated" });
  });

  test("a rotation by the handle itself is no end: it holds the new token", async () => {
    const { sessions } = open({ layout });
    const session = await sessions.open(by((await logIn(sessions, "ada")).token));
    await session.rotate();
    expect((await session.peek()).status).toBe("live");
  });
});

test("another token of a known id is gone, and so is what is no token", async () => {
  const { sessions } = open();
  const { token } = await logIn(sessions, "ada");
  const forged = token.slice(0, -32) + "A".repeat(32);
  for (const bad of [forged, "*", ""]) {
    const session = await sessions.open(by(bad));
    expect(await session.peek()).toEqual({ status: "gone" });
  }
  expect(await (await sessions.open(exchange({}))).peek()).toEqual({ status: "gone" });
});

test("a store that cannot say is unknown, with the cause", async () => {
  const { sessions, store } = open();
  const session = await connected(sessions);
  const cause = new Error("no answer");
  store.load = async () => {
    throw cause;
  };
  expect(await session.peek()).toEqual({ status: "unknown", cause });
});

/** A session of ada's that is held open read-only, and what other requests do with it. */
async function connected(sessions: SessionManager) {
  const { token } = await logIn(sessions, "ada");
  const session = await sessions.open(by(token), { readOnly: true });
  return {
    sid: session.sid,
    peek: () => session.peek(),
    elsewhere: async (how: "rotate" | "login") => {
      const other = await sessions.open(by(token));
      await (how === "rotate" ? other.rotate() : other.login("ada"));
    },
  };
}
