/** A manager on the memory store: what a token opens, and what a request comes to. */
import { describe, expect, test } from "vitest";
import { exchange } from "../../../../tests/support/sessions.ts";
import { memoryStore } from "../memory/memory-store.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { SessionError } from "./errors.ts";
import { createSessions, type SessionManager } from "./manager.ts";
import type { SessionsOptions } from "./sessions-options.ts";
import type { SessionStore } from "./store.ts";

const HOUR = 3_600_000;

describe("logging in, in the split layout", () => {
  test("the token is sid and secret, and the store keeps only the hash of the secret", async () => {
    const { sessions, store } = open();
    const { login } = await logIn(sessions, "ada");
    expect(login.token).toMatch(/^[A-Za-z0-9_-]{24}\.[A-Za-z0-9_-]{32}$/);
    expect(login.token.startsWith(`${login.sid}.`)).toBe(true);
    const secret = login.token.slice(25);
    expect(JSON.stringify(await store.load(login.sid))).not.toContain(secret);
  });

  test("the token opens the session in every transport", async () => {
    const { sessions } = open();
    const { login } = await logIn(sessions, "ada");
    for (const headers of credentials(login.token)) {
      const session = await sessions.open(exchange(headers));
      expect(session.status).toBe("valid");
      expect([session.user, session.sid]).toEqual(["ada", login.sid]);
    }
  });

  test("the sid alone, a wrong secret or another session's secret open nothing", async () => {
    const { sessions } = open();
    const [a, b] = [await logIn(sessions, "ada"), await logIn(sessions, "bob")];
    const [sid, secret] = a.login.token.split(".");
    const wrong = `${secret?.startsWith("A") ? "B" : "A"}${secret?.slice(1)}`;
    for (const token of [sid ?? "", `${sid}.${wrong}`, `${sid}.${b.login.token.slice(25)}`]) {
      expect((await sessions.check(token)).status, token.slice(24, 26)).toBe("invalid");
    }
  });

  test("a cookie by default, Secure and for this host only; none if a header was asked for", async () => {
    const { sessions } = open();
    const { login, exchange: seen } = await logIn(sessions, "ada");
    expect(seen.cookies).toEqual([
      `__Host-sid=${login.token}; Path=/; Secure; HttpOnly; SameSite=Lax`,
    ]);
    const other = exchange({});
    await (await sessions.open(other)).login("ada", { transport: "header" });
    expect(other.cookies).toEqual([]);
  });

  test("the session that a login came with is dead after it", async () => {
    const { sessions } = open();
    const { login: before } = await logIn(sessions, "ada");
    const session = await sessions.open(exchange({ "x-session-id": before.token }));
    const after = await session.login("bob");
    expect(session.user).toBe("bob");
    expect((await sessions.check(before.token)).status).toBe("invalid");
    expect((await sessions.check(after.token)).status).toBe("valid");
  });

  test("a user that cannot be kept is refused, and nothing begins", async () => {
    const { sessions } = open();
    const session = await sessions.open(exchange({}));
    await expect(session.login("")).rejects.toMatchObject({ code: "invalid-user" });
    expect([session.status, session.user]).toEqual(["invalid", undefined]);
  });
});

describe("the two layouts do not open each other's sessions", () => {
  test.each(["split", "literal"] as const)("made in %s", async (layout) => {
    const { store, sessions } = open({ layout });
    const other = createSessions({ store, layout: layout === "split" ? "literal" : "split" });
    const { login } = await logIn(sessions, "ada");
    const tokens = [login.token, login.sid, `${login.sid}.${"A".repeat(32)}`];
    for (const token of tokens) expect((await other.check(token)).status).toBe("invalid");
    expect((await sessions.check(login.token)).status).toBe("valid");
  });
});

describe("the absolute timeout", () => {
  test("ends the session to the millisecond, however much it was used", async () => {
    const { sessions, clock } = open({ absoluteTimeout: "1h", idleTimeout: false });
    const { login, session } = await logIn(sessions, "ada");
    expect(session.expiresAt).toBe(clock.now() + HOUR);
    expect(session.absoluteExpiresAt).toBe(clock.now() + HOUR);
    for (let i = 0; i < 59; i++) {
      clock.advance(60_000);
      expect((await sessions.check(login.token)).status).toBe("valid");
    }
    clock.advance(59_999);
    expect((await sessions.check(login.token)).status).toBe("valid");
    clock.advance(1);
    expect((await sessions.check(login.token)).status).toBe("invalid");
  });

  test("is 12 hours by default", async () => {
    const { sessions, clock } = open({ idleTimeout: false });
    const { session } = await logIn(sessions, "ada");
    expect(session.expiresAt).toBe(clock.now() + 12 * HOUR);
  });
});

describe("logging out", () => {
  test("ends the session and clears the cookie that carried it, with the same attributes", async () => {
    const { sessions } = open();
    const { login } = await logIn(sessions, "ada");
    const seen = exchange({ cookie: `__Host-sid=${login.token}` });
    const session = await sessions.open(seen);
    await session.logout();
    expect(seen.cookies).toEqual([
      "__Host-sid=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax",
    ]);
    expect([session.status, session.user]).toEqual(["invalid", undefined]);
    expect((await sessions.check(login.token)).status).toBe("invalid");
    await session.logout();
  });

  test("a duplicated credential opens nothing, and logging out ends all that it names", async () => {
    const { sessions } = open();
    const logins = [await logIn(sessions, "ada"), await logIn(sessions, "bob")];
    const [a, b] = logins.map(({ login }) => login.token);
    const bystander = await logIn(sessions, "ada");
    const seen = exchange({ cookie: `__Host-sid=${a}; __Host-sid=${b}` });
    const session = await sessions.open(seen);
    expect([session.status, session.user]).toEqual(["invalid", undefined]);
    await session.logout();
    expect(seen.cookies).toHaveLength(1);
    for (const token of [a, b]) expect((await sessions.check(token ?? "")).status).toBe("invalid");
    expect((await sessions.check(bystander.login.token)).status).toBe("valid");
  });

  test("the cookie goes even if another credential decided", async () => {
    const { sessions } = open();
    const { login } = await logIn(sessions, "ada");
    const seen = exchange({ "x-session-id": login.token, cookie: "__Host-sid=whatever" });
    await (await sessions.open(seen)).logout();
    expect(seen.cookies).toHaveLength(1);
  });

  test("without a session it succeeds and sets nothing", async () => {
    const { sessions } = open();
    const seen = exchange({ "x-session-id": "whatever" });
    await (await sessions.open(seen)).logout();
    expect(seen.cookies).toEqual([]);
  });
});

test("sessions of a user are listed and revoked by their public handle", async () => {
  const { sessions } = open();
  const [one, two] = [await logIn(sessions, "ada"), await logIn(sessions, "ada")];
  await logIn(sessions, "bob");
  const sids = (await sessions.list("ada")).map(({ sid }) => sid);
  expect(sids.sort()).toEqual([one.login.sid, two.login.sid].sort());
  expect(await sessions.revoke(one.login.sid)).toBe("revoked");
  expect(await sessions.revoke(one.login.sid)).toBe("absent");
  expect((await sessions.list("ada")).map(({ sid }) => sid)).toEqual([two.login.sid]);
  expect((await sessions.check(one.login.token)).status).toBe("invalid");
});

describe("a store that cannot say", () => {
  // Not a fake Redis: a port whose every answer is the one failure that its contract allows.
  const gone = (): Promise<never> => Promise.reject(new SessionError("store-unavailable", "gone"));
  const store: SessionStore = {
    ...{ create: gone, load: gone, update: gone, touch: gone, rotate: gone },
    revoke: gone,
    ...{ revokeUser: gone, generation: gone, list: gone, close: async () => {} },
    mintId: () => memoryStore().mintId(),
  };

  test("is unknown: not valid, not invalid, and no cookie is touched", async () => {
    const sessions = createSessions({ store });
    const seen = exchange({ "x-session-id": `${"A".repeat(24)}.${"B".repeat(32)}` });
    const session = await sessions.open(seen);
    expect(session.status).toBe("unknown");
    expect(() => session.user).toThrow(
      expect.objectContaining({ code: "store-unavailable", status: 503 }),
    );
    expect(seen.cookies).toEqual([]);
  });

  test("a malformed token is invalid all the same: nobody had to be asked", async () => {
    const session = await createSessions({ store }).open(exchange({ "x-session-id": "nope" }));
    expect(session.status).toBe("invalid");
  });

  test("logging out clears the cookie and says that it failed", async () => {
    const sessions = createSessions({ store });
    const seen = exchange({ cookie: `__Host-sid=${"A".repeat(24)}.${"B".repeat(32)}` });
    const session = await sessions.open(seen);
    await expect(session.logout()).rejects.toMatchObject({ code: "store-unavailable" });
    expect(seen.cookies).toHaveLength(1);
    expect(session.status).toBe("unknown");
  });

  test("logging in on top of a session that cannot be ended fails, and begins none", async () => {
    const real = memoryStore();
    const sessions = createSessions({ store: real });
    const { login } = await logIn(sessions, "ada");
    // Everything works but ending: a port whose revoke gives the one failure its contract allows.
    const unwilling: SessionStore = new Proxy(real, {
      get: (target, name) =>
        name === "revoke" ? gone : Reflect.get(target, name, target).bind(target),
    });
    const seen = exchange({ "x-session-id": login.token });
    const session = await createSessions({ store: unwilling }).open(seen);
    await expect(session.login("bob")).rejects.toMatchObject({ code: "store-unavailable" });
    expect([session.user, seen.cookies]).toEqual(["ada", []]);
    expect(await sessions.list("bob")).toEqual([]);
  });

  test("logging in fails, and hands out nothing", async () => {
    const seen = exchange({});
    const session = await createSessions({ store }).open(seen);
    await expect(session.login("ada")).rejects.toMatchObject({ code: "store-unavailable" });
    expect([session.status, seen.cookies.length]).toEqual(["invalid", 0]);
  });
});

test("a source of randomness that repeats itself is found out, not obeyed", async () => {
  const store = memoryStore({ random: (size) => new Uint8Array(size) });
  const sessions = createSessions({ store });
  const { login } = await logIn(sessions, "ada");
  await expect(logIn(sessions, "bob")).rejects.toMatchObject({ code: "id-collision" });
  expect(await sessions.check(login.token)).toMatchObject({ record: { user: "ada" } });
});

test("every answer that depends on a session says so to caches", async () => {
  const seen = exchange({});
  await open().sessions.open(seen);
  expect(seen.answer["vary"]).toEqual(["Cookie, Authorization, X-Session-Id"]);
});

describe("a bad option is named", () => {
  test.each<[string, object]>([
    ["store", {}],
    ["store", { store: {} }],
    ["layout", { store: memoryStore(), layout: "both" }],
    ["absoluteTimeout", { store: memoryStore(), absoluteTimeout: "0m" }],
    ["absoluteTimeout", { store: memoryStore(), absoluteTimeout: "12" }],
    ["absoluteTimeout", { store: memoryStore(), absoluteTimeout: 3600 }],
    ["absoluteTimeout", { store: memoryStore(), absoluteTimeout: "-5m" }],
    ["absoluteTimeout", { store: memoryStore(), absoluteTimeout: "401d" }],
    ["cookie.secure", { store: memoryStore(), cookie: { secure: false } }],
  ])("%s", (field, options) => {
    expect(() => createSessions(options as SessionsOptions)).toThrow(
      expect.objectContaining({ code: "invalid-option", field }),
    );
  });

  test.each<[object, RegExp]>([
    [{ cookie: "sid" }, /^cookie must be an object such as \{ name: "sid" \}$/],
    [{ cookie: null }, /^cookie must be an object/],
    [{ idleTimeout: 0 }, /^idleTimeout must be false, or a whole number above 0 with a unit/],
    [{ idleTimeout: null }, /^idleTimeout must be false, or /],
    [{ rotationGrace: 0 }, /^rotationGrace must be false, or /],
    [{ absoluteTimeout: 0 }, /^absoluteTimeout must be a whole number/],
    [{ ttl: 60 }, /^ttl is no option of createSessions: use idleTimeout and absoluteTimeout$/],
    [{ resave: false }, /^resave is no option of createSessions: leave it out/],
    [{ constructor: 1 }, /^constructor is no option of createSessions$/],
    [{ idletimeout: "1m" }, /^idletimeout is no option of createSessions$/],
  ])("%o, and what would be right", (options, message) => {
    expect(() => createSessions({ store: memoryStore(), ...options } as SessionsOptions)).toThrow(
      expect.objectContaining({ code: "invalid-option", message: expect.stringMatching(message) }),
    );
  });
});

function open(options: Partial<SessionsOptions> = {}) {
  const clock = new ManualClock();
  const store = options.store ?? memoryStore({ clock });
  return { clock, store, sessions: createSessions({ ...options, store }) };
}

async function logIn(sessions: SessionManager, user: string) {
  const seen = exchange({});
  const session = await sessions.open(seen);
  return { login: await session.login(user), session, exchange: seen };
}

function credentials(token: string): Record<string, string>[] {
  return [
    { "x-session-id": token },
    { authorization: `Bearer ${token}` },
    { cookie: `__Host-sid=${token}` },
  ];
}
