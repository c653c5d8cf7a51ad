/** What a manager adds to the store's verbs: touches, data, caps, anonymous sessions, events. */
import { describe, expect, expectTypeOf, test } from "vitest";
import { memoryStore } from "../memory/memory-store.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import type { SessionEvent } from "./events.ts";
import type { HttpExchange } from "./exchange.ts";
import { createSessions, type SessionManager, type SessionsOptions } from "./manager.ts";
import type { StandardSchema } from "./standard-schema.ts";

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

describe("data", () => {
  test("what one request sets, the next one reads", async () => {
    const { sessions } = open();
    const { token } = await logIn(sessions, "ada");
    const first = await sessions.open(exchange({ "x-session-id": token }));
    first.data["cart"] = ["a"];
    first.data["theme"] = "dark";
    expect(await first.commit()).toBe("updated");
    expect(await first.commit()).toBe("unchanged");
    const second = await sessions.open(exchange({ "x-session-id": token }));
    expect({ ...second.data }).toEqual({ cart: ["a"], theme: "dark" });
    delete second.data["theme"];
    expect(await second.commit()).toBe("updated");
    const third = await sessions.open(exchange({ "x-session-id": token }));
    expect({ ...third.data }).toEqual({ cart: ["a"] });
  });

  test("a change inside a value is seen too", async () => {
    const { sessions } = open();
    const { token } = await logIn(sessions, "ada");
    const session = await sessions.open(exchange({ "x-session-id": token }));
    session.data["cart"] = ["a"];
    await session.commit();
    const next = await sessions.open(exchange({ "x-session-id": token }));
    (next.data["cart"] as string[]).push("b");
    expect(await next.commit()).toBe("updated");
    const last = await sessions.open(exchange({ "x-session-id": token }));
    expect(last.data["cart"]).toEqual(["a", "b"]);
  });

  // Saving the session as a whole keeps only what the second request set.
  test("two requests that set different fields both win; one that deletes stays deleted", async () => {
    const { sessions } = open();
    const { token } = await logIn(sessions, "ada");
    const setup = await sessions.open(exchange({ "x-session-id": token }));
    setup.data["old"] = 1;
    await setup.commit();
    const [a, b, c] = await Promise.all(
      [1, 2, 3].map(() => sessions.open(exchange({ "x-session-id": token }))),
    );
    if (a === undefined || b === undefined || c === undefined) throw new Error("three were opened");
    a.data["a"] = 1;
    b.data["b"] = 2;
    delete c.data["old"];
    await Promise.all([c.commit(), a.commit(), b.commit()]);
    const after = await sessions.open(exchange({ "x-session-id": token }));
    expect({ ...after.data }).toEqual({ a: 1, b: 2 });
  });

  test("ifUnchanged: the second of two is told, and nothing of it is written", async () => {
    const { sessions } = open();
    const { token } = await logIn(sessions, "ada");
    const [a, b] = await Promise.all(
      [1, 2].map(() => sessions.open(exchange({ "x-session-id": token }))),
    );
    if (a === undefined || b === undefined) throw new Error("two were opened");
    a.data["n"] = 1;
    b.data["n"] = 2;
    expect(await a.commit({ ifUnchanged: true })).toBe("updated");
    expect(await b.commit({ ifUnchanged: true })).toBe("conflict");
    expect((await sessions.open(exchange({ "x-session-id": token }))).data["n"]).toBe(1);
  });

  test("what is changed while a commit is under way is written by the next one", async () => {
    const { sessions } = open();
    const { token } = await logIn(sessions, "ada");
    const session = await sessions.open(exchange({ "x-session-id": token }));
    session.data["a"] = 1;
    const first = session.commit();
    await Promise.resolve();
    session.data["a"] = 2;
    expect([await first, await session.commit()]).toEqual(["updated", "updated"]);
    expect((await sessions.open(exchange({ "x-session-id": token }))).data["a"]).toBe(2);
  });

  test("ifUnchanged holds against what was written before one's own first commit, too", async () => {
    const { sessions } = open();
    const { token } = await logIn(sessions, "ada");
    const [a, b] = await Promise.all(
      [1, 2].map(() => sessions.open(exchange({ "x-session-id": token }))),
    );
    if (a === undefined || b === undefined) throw new Error("two were opened");
    a.data["n"] = 1;
    await a.commit();
    b.data["other"] = 1;
    expect(await b.commit()).toBe("updated");
    b.data["n"] = 2;
    expect(await b.commit({ ifUnchanged: true })).toBe("conflict");
  });

  test("who holds the data across a login sees the new session's", async () => {
    const { sessions } = open();
    const session = await sessions.open(exchange({}));
    const { data } = session;
    data["a"] = 1;
    await session.login("ada");
    expect(data["a"]).toBeUndefined();
    data["b"] = 2;
    expect(await session.commit()).toBe("updated");
  });

  test("a session that ended during the request takes nothing, and does not come back", async () => {
    const { sessions, store } = open();
    const { token, sid } = await logIn(sessions, "ada");
    const seen = exchange({ cookie: `__Host-sid=${token}` });
    const session = await sessions.open(seen);
    await sessions.revoke(sid);
    session.data["a"] = 1;
    expect(await session.commit()).toBe("gone");
    expect(session.status).toBe("invalid");
    expect(await session.commit()).toBe("gone");
    expect(seen.cookies).toEqual([]);
    expect((await sessions.check(token)).status).toBe("invalid");
    expect(await store.list("ada")).toEqual([]);
  });

  test.each<[string, unknown, string]>([
    ["a Date", new Date(0), "x"],
    ["a Map inside", { a: [new Map()] }, "x.a.0"],
    ["a BigInt", { n: 1n }, "x.n"],
    ["a function", () => 1, "x"],
    ["NaN", [Number.NaN], "x.0"],
    ["undefined in a list", [undefined], "x.0"],
    ["an unsafe name", JSON.parse('{"a":{"__proto__":{"admin":true}}}'), "x.a.__proto__"],
    ["too deep", nested(40), `x${".a".repeat(32)}`],
    ["a cycle", cycle(), `x${".a".repeat(32)}`],
  ])("%s is refused where it is assigned, and the old value stays", async (_name, value, path) => {
    const { sessions } = open();
    const { token } = await logIn(sessions, "ada");
    const session = await sessions.open(exchange({ "x-session-id": token }));
    session.data["x"] = "before";
    expect(() => {
      session.data["x"] = value;
    }).toThrow(expect.objectContaining({ code: "invalid-data", field: path }));
    expect(session.data["x"]).toBe("before");
  });

  test("no name reaches a prototype", async () => {
    const { sessions } = open();
    const session = await sessions.open(exchange({}));
    for (const name of ["__proto__", "constructor", "prototype"]) {
      expect(() => {
        session.data[name] = { admin: true };
      }).toThrow(expect.objectContaining({ code: "invalid-data", field: name }));
    }
    expect(session.data["toString"]).toBeUndefined();
    expect(({} as Record<string, unknown>)["admin"]).toBeUndefined();
  });

  test("more than fits is refused, and what was there stays", async () => {
    const { sessions } = open();
    const { token } = await logIn(sessions, "ada");
    const session = await sessions.open(exchange({ "x-session-id": token }));
    session.data["x"] = "x".repeat(40_000);
    await expect(session.commit()).rejects.toMatchObject({ code: "invalid-data", field: "data" });
    const next = await sessions.open(exchange({ "x-session-id": token }));
    expect({ ...next.data }).toEqual({});
  });
});

describe("a schema", () => {
  interface Shop {
    cart: string[];
    note?: string;
  }
  /** By hand, so that the core's tests need no schema library. */
  const schema: StandardSchema<Shop> = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: (value) => {
        const { cart = [], note } = value as Partial<Shop>;
        const bad = cart.findIndex((item) => typeof item !== "string");
        return bad < 0
          ? { value: note === undefined ? { cart } : { cart, note } }
          : { issues: [{ message: "must be a string", path: ["cart", { key: bad }] }] };
      },
    },
  };

  test("types the data, and gives its defaults without writing them", async () => {
    const { sessions } = open({ data: schema });
    const { token } = await logIn(sessions, "ada");
    const session = await sessions.open(exchange({ "x-session-id": token }));
    expectTypeOf(session.data).toEqualTypeOf<Shop>();
    expect(session.data.cart).toEqual([]);
    expect(await session.commit()).toBe("unchanged");
    session.data.cart.push("a");
    expect(await session.commit()).toBe("updated");
  });

  test("gives its defaults right after a login as well", async () => {
    const { sessions } = open({ data: schema });
    const session = await sessions.open(exchange({}));
    await session.login("ada");
    expect(session.data.cart).toEqual([]);
  });

  test("refuses on write, with the path, and nothing is written", async () => {
    const { sessions } = open({ data: schema });
    const { token } = await logIn(sessions, "ada");
    const session = await sessions.open(exchange({ "x-session-id": token }));
    (session.data.cart as unknown[]).push("a", 7);
    await expect(session.commit()).rejects.toMatchObject({ code: "invalid-data", field: "cart.1" });
    const next = await sessions.open(exchange({ "x-session-id": token }));
    expect(next.data.cart).toEqual([]);
  });

  test("is checked to be one", () => {
    expect(() => open({ data: {} as StandardSchema<Shop> })).toThrow(
      expect.objectContaining({ code: "invalid-option", field: "data" }),
    );
  });
});

describe("an anonymous session", () => {
  test("is stored only once something is kept in it", async () => {
    const { sessions, events } = open();
    const seen = exchange({});
    const session = await sessions.open(seen);
    expect([session.user, session.data["cart"], await session.commit()]).toEqual([
      undefined,
      undefined,
      "unchanged",
    ]);
    expect([seen.cookies, events]).toEqual([[], []]);
    session.data["cart"] = ["a"];
    expect(await session.commit()).toBe("updated");
    expect(seen.cookies).toHaveLength(1);
    const next = await sessions.open(exchange(cookieOf(seen)));
    expect([next.status, next.user, next.data["cart"]]).toEqual(["valid", undefined, ["a"]]);
  });

  test("is one session, however many commits run at once", async () => {
    const { sessions, events } = open();
    const seen = exchange({});
    const session = await sessions.open(seen);
    session.data["a"] = 1;
    const outcomes = await Promise.all([1, 2, 3].map(() => session.commit()));
    expect(outcomes).toEqual(["updated", "unchanged", "unchanged"]);
    expect([events.length, seen.cookies.length]).toEqual([1, 1]);
  });

  test("ends with the login on top of it, which takes over only what it is told to", async () => {
    const { sessions } = open();
    const seen = exchange({});
    const visitor = await sessions.open(seen);
    visitor.data["cart"] = ["a"];
    visitor.data["role"] = "admin";
    await visitor.commit();
    const back = await sessions.open(exchange(cookieOf(seen)));
    const before = cookieOf(seen)["cookie"]?.slice("__Host-sid=".length) ?? "";
    const login = await back.login("ada", { keep: ["cart", "missing"] });
    expect(back.user).toBe("ada");
    expect({ ...back.data }).toEqual({ cart: ["a"] });
    expect((await sessions.check(before)).status).toBe("invalid");
    const after = await sessions.open(exchange({ "x-session-id": login.token }));
    expect({ ...after.data }).toEqual({ cart: ["a"] });
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

function open<Data = Record<string, unknown>>(options: Partial<SessionsOptions<Data>> = {}) {
  const clock = new ManualClock();
  const events: SessionEvent[] = [];
  const store = memoryStore({ clock });
  const onEvent = (event: SessionEvent): number => events.push(event);
  return { clock, events, store, sessions: createSessions<Data>({ onEvent, ...options, store }) };
}

async function logIn<Data>(sessions: SessionManager<Data>, user: string) {
  return (await sessions.open(exchange({}))).login(user);
}

function nested(depth: number): unknown {
  return depth === 0 ? 1 : { a: nested(depth - 1) };
}

function cycle(): unknown {
  const value: { a?: unknown } = {};
  value.a = value;
  return value;
}

function cookieOf({ cookies }: { readonly cookies: readonly string[] }): Record<string, string> {
  return { cookie: (cookies.at(-1) ?? "").split(";")[0] ?? "" };
}

/** A request with these headers, and the cookies that its response sets. */
function exchange(headers: Readonly<Record<string, string>>) {
  const cookies: string[] = [];
  const port: HttpExchange = {
    headers: (name) => (headers[name] === undefined ? [] : [headers[name]]),
    setCookie: (line) => {
      cookies.push(line);
    },
    markPrivate: () => {},
  };
  return { ...port, cookies };
}
