/** From the opened session to the head of its response: what is saved, what is answered instead. */
import { describe, expect, test } from "vitest";
import { exchange, logIn, open } from "../../../../tests/support/sessions.ts";
import { memoryStore } from "../memory/memory-store.ts";
import { SessionError } from "./errors.ts";
import { createSessions, type SessionManager } from "./manager.ts";
import { problem } from "./refusal.ts";
import type { SessionWarning } from "./warning.ts";

describe("what a handler leaves in session.data", () => {
  test("is saved when the head is due, and there is nothing to wait for otherwise", async () => {
    const { sessions, visit, token } = await visitOf("ada");
    expect(visit.isSettled(200)).toBe(true);
    expect(visit.session.data["a"]).toBeUndefined();
    expect(visit.isSettled(200)).toBe(true);
    visit.session.data["a"] = 1;
    expect(visit.isSettled(200)).toBe(false);
    expect(await visit.settle(200)).toBeUndefined();
    expect(visit.isSettled(200)).toBe(true);
    expect((await reopened(sessions, token)).data["a"]).toBe(1);
  });

  test("is not saved if the handler failed", async () => {
    const { sessions, visit, token } = await visitOf("ada");
    visit.session.data["a"] = 1;
    expect(visit.isSettled(500)).toBe(true);
    expect(await visit.settle(503)).toBeUndefined();
    expect((await reopened(sessions, token)).data["a"]).toBeUndefined();
  });

  test("of a session that ended meanwhile is answered with 401, unless the handler knows", async () => {
    for (const isKnown of [false, true]) {
      const { sessions, visit, sid } = await visitOf("ada");
      visit.session.data["a"] = 1;
      await sessions.revoke(sid);
      if (isKnown) expect(await visit.session.commit()).toBe("gone");
      const refusal = await visit.settle(200);
      expect(refusal?.code).toBe(isKnown ? undefined : "invalid_session");
    }
  });

  test("is answered with 503 if the store cannot say, and with 403 if the request is forged", async () => {
    const down = Object.assign(memoryStore(), { create: unavailable });
    const anonymous = await createSessions({ store: down }).visit(exchange({}));
    anonymous.session.data["a"] = 1;
    expect(await anonymous.settle(200)).toMatchObject({ status: 503, code: "store_unavailable" });
    const forged = exchange({ "sec-fetch-site": "cross-site" }, { method: "POST" });
    const { visit } = await visitOf(undefined, forged);
    visit.session.data["a"] = 1;
    expect(await visit.settle(200)).toMatchObject({ status: 403, code: "csrf" });
  });

  test("that is no JSON any more is the handler's own error", async () => {
    const { visit } = await visitOf("ada");
    visit.session.data["list"] = [];
    (visit.session.data["list"] as unknown[]).push(1n);
    expect(visit.isSettled(200)).toBe(false);
    await expect(visit.settle(200)).rejects.toMatchObject({ code: "invalid-data" });
  });

  test("after a conflict that the handler was told of is not written over", async () => {
    const { sessions, visit, token } = await visitOf("ada");
    const other = await reopened(sessions, token);
    other.data["n"] = 1;
    await other.commit();
    visit.session.data["n"] = 2;
    expect(await visit.session.commit({ ifUnchanged: true })).toBe("conflict");
    expect(await visit.settle(200)).toBeUndefined();
    expect((await reopened(sessions, token)).data["n"]).toBe(1);
  });

  test("after the head has left needs a commit, and says so once", async () => {
    const warnings: SessionWarning[] = [];
    const { sessions } = open({ warn: (warning) => warnings.push(warning) });
    for (const isCommitted of [false, false, true]) {
      const { token } = await logIn(sessions, "ada");
      const visit = await sessions.visit(exchange({ "x-session-id": token }));
      visit.seal();
      visit.session.data["a"] = 1;
      if (isCommitted) await visit.session.commit();
      visit.finish(200);
    }
    expect(warnings.map(({ code }) => code)).toEqual(["late-change"]);
  });
});

test("a login that nobody awaited is waited for", async () => {
  const { sessions } = open();
  const seen = exchange({});
  const visit = await sessions.visit(seen);
  const login = visit.session.login("ada");
  expect(visit.isSettled(200)).toBe(false);
  await visit.settle(200);
  visit.seal();
  expect(seen.cookies).toEqual([expect.stringContaining((await login).token)]);
});

describe("read-only", () => {
  test("nothing is written, not even the use; data cannot be changed, not even inside", async () => {
    const { sessions, clock } = open();
    const { token } = await logIn(sessions, "ada");
    const setup = await reopened(sessions, token);
    setup.data["cart"] = ["a"];
    await setup.commit();
    clock.advance(29 * 60_000);
    const headers = { "x-session-id": token };
    const { session, ...visit } = {
      ...(await sessions.visit(exchange(headers), { readOnly: true })),
    };
    expect(visit).toBeDefined();
    expect(session.data["cart"]).toEqual(["a"]);
    expect(() => Object.assign(session.data, { a: 1 })).toThrow(TypeError);
    expect(() => (session.data["cart"] as string[]).push("b")).toThrow(TypeError);
    const refused = { code: "read-only", status: 500 };
    await expect(session.login("bob")).rejects.toMatchObject(refused);
    await expect(session.rotate()).rejects.toMatchObject(refused);
    await expect(session.logout()).rejects.toMatchObject(refused);
    expect(await session.commit()).toBe("unchanged");
    clock.advance(60_000);
    expect((await sessions.check(token)).status).toBe("invalid");
  });
});

describe("the head", () => {
  test("one cookie line, the last one; the cookies of others stay, whatever their names", async () => {
    const { sessions } = open();
    const seen = exchange({});
    seen.setResponseHeader("Set-Cookie", ["__Host-sid2=x", "a=1"]);
    const session = await sessions.open(seen);
    await session.login("ada");
    await session.rotate();
    const last = await session.login("bob");
    expect(seen.cookies).toEqual(["__Host-sid2=x", "a=1", expect.stringContaining(last.token)]);
  });

  test("logging in and out in one response leaves no token in it", async () => {
    const { sessions } = open();
    const { token } = await logIn(sessions, "ada");
    const seen = exchange({ cookie: `__Host-sid=${token}` });
    const session = await sessions.open(seen);
    await session.rotate();
    await session.logout();
    expect(seen.cookies).toEqual([expect.stringMatching(/^__Host-sid=; Max-Age=0; /)]);
  });

  test.each([
    [[], "no-store"],
    [["public, max-age=60"], "no-store"],
    [["private, max-age=0, must-revalidate"], "no-store, private, must-revalidate"],
    [["No-Transform", "no-store"], "no-store, No-Transform"],
    [["no-cache=set-cookie, s-maxage=9"], "no-store"],
  ])("Cache-Control %j becomes %s, also if it was set later", async (lines, merged) => {
    const { sessions } = open();
    const seen = exchange({});
    const visit = await sessions.visit(seen);
    seen.setResponseHeader("Cache-Control", lines);
    visit.seal();
    expect(seen.answer["cache-control"]).toEqual([merged]);
  });

  test.each([
    [[], "Cookie, Authorization, X-Session-Id"],
    [["Accept, cookie", "Origin"], "Accept, cookie, Origin, Authorization, X-Session-Id"],
    [["Accept, *"], "*"],
  ])("Vary %j becomes %s", async (lines, merged) => {
    const { sessions } = open();
    const seen = exchange({});
    seen.setResponseHeader("Vary", lines);
    await sessions.open(seen);
    expect(seen.answer["vary"]).toEqual([merged]);
  });

  test("once it has left, what needs a cookie is refused before anything is done", async () => {
    const { sessions, events } = open();
    const { token } = await logIn(sessions, "ada");
    const visit = await sessions.visit(exchange({ cookie: `__Host-sid=${token}` }));
    visit.seal();
    events.length = 0;
    const late = { code: "response-sent", status: 500 };
    await expect(visit.session.login("ada")).rejects.toMatchObject(late);
    await expect(visit.session.rotate()).rejects.toMatchObject(late);
    expect(events).toEqual([]);
    await visit.session.logout();
    expect((await sessions.check(token)).status).toBe("invalid");
  });
});

describe("a Secure cookie where browsers drop it", () => {
  test.each<[string, Record<string, string>, "http" | "https", boolean]>([
    ["plain http to another machine", { host: "intranet" }, "http", true],
    ["https", { host: "intranet" }, "https", false],
    ["localhost", { host: "localhost:3000" }, "http", false],
    ["127.0.0.1", { host: "127.0.0.1:3000" }, "http", false],
    ["[::1]", { host: "[::1]:3000" }, "http", false],
    ["a name under localhost", { host: "app.localhost" }, "http", false],
    ["a name that only begins so", { host: "localhost.evil.example" }, "http", true],
    ["behind a proxy", { host: "a.example", "x-forwarded-proto": "https" }, "http", false],
    ["behind a proxy of RFC 7239", { host: "a.example", forwarded: "proto=https" }, "http", false],
    ["behind a proxy that says http", { host: "a", "x-forwarded-proto": "http" }, "http", true],
    ["a browser that trusts it", { host: "a", "sec-fetch-site": "same-origin" }, "http", false],
  ])("%s: warned %s", async (_name, headers, scheme, isWarned) => {
    const warnings: SessionWarning[] = [];
    const { sessions } = open({ warn: (warning) => warnings.push(warning) });
    for (let i = 0; i < 3; i++)
      await (await sessions.open(exchange(headers, { scheme }))).login("a");
    expect(warnings.map(({ code }) => code)).toEqual(isWarned ? ["secure-cookie-on-http"] : []);
    expect(warnings[0]?.message ?? "").not.toContain("session:");
  });

  test("by default it is a warning of the process, once; what a listener throws is ignored", async () => {
    const heard: string[] = [];
    const listener = (warning: Error & { code?: string }): number => heard.push(warning.code ?? "");
    process.on("warning", listener);
    const { sessions } = open();
    for (let i = 0; i < 2; i++) {
      await (await sessions.open(exchange({ host: "a" }, { scheme: "http" }))).login("ada");
    }
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", listener);
    expect(heard).toEqual(["LATCHKEY_SECURE_COOKIE_ON_HTTP"]);
    const { sessions: throwing } = open({
      warn: () => {
        throw new Error("no log today");
      },
    });
    await (await throwing.open(exchange({ host: "a" }, { scheme: "http" }))).login("ada");
  });
});

test("isFresh: by the last login, which another login moves", async () => {
  const { sessions, clock } = open();
  const { token } = await logIn(sessions, "ada");
  clock.advance(600_000);
  const session = await reopened(sessions, token);
  expect([session.isFresh("10m"), session.isFresh("599999ms")]).toEqual([true, false]);
  await session.login("ada");
  expect(session.isFresh("1ms")).toBe(true);
  expect(() => session.isFresh("soon" as "1m")).toThrow(
    expect.objectContaining({ code: "invalid-option", field: "maxAge" }),
  );
});

test("a problem says what it is, and when to come again", () => {
  const refusal = { status: 503, code: "store_unavailable", title: "Later" } as const;
  const { headers, body } = problem(refusal);
  expect(headers).toMatchObject({ "Retry-After": "1", "Cache-Control": "no-store" });
  expect(JSON.parse(body)).toEqual({ ...refusal, message: "Later" });
});

async function visitOf(user: string | undefined, seen = exchange({})) {
  const { sessions } = open();
  if (user === undefined)
    return { sessions, visit: await sessions.visit(seen), token: "", sid: "" };
  const { token, sid } = await logIn(sessions, user);
  const visit = await sessions.visit(exchange({ "x-session-id": token }));
  return { sessions, visit, token, sid };
}

function reopened(sessions: SessionManager, token: string) {
  return sessions.open(exchange({ "x-session-id": token }));
}

function unavailable(): Promise<never> {
  return Promise.reject(new SessionError("store-unavailable", "down"));
}
