/** The data of sessions: read synchronously, written as deltas, typed by a schema, anonymous too. */
import { describe, expect, expectTypeOf, test } from "vitest";
import { cookieOf, exchange, logIn, open } from "../../../../tests/support/sessions.ts";
import type { StandardSchema } from "./standard-schema.ts";

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
    expect((await store.list("ada")).records).toEqual([]);
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
    ["a cycle", cycle(), "x.a"],
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

  test.each<[string, unknown]>([
    ["data: x.a is circular", cycle()],
    ["data: x.0.list.a is circular", [{ list: cycle() }]],
    ["data: x.n is a bigint, which JSON cannot hold; keep it as a string", { n: 1n }],
    ["data: x.1 is undefined, which JSON cannot hold", [1, undefined]],
    ["data: x is a function, which JSON cannot hold", () => 1],
    ["data: x is -Infinity, which JSON cannot hold", -1 / 0],
    ["data: x is a Date; keep it as a string or plain object", new Date(0)],
    ["data has more than 256 fields or 32,768 bytes", endless()],
  ])("the message says what is wrong, and where: %s", async (message, value) => {
    const { sessions } = open();
    const session = await sessions.open(exchange({}));
    expect(() => {
      session.data["x"] = value;
    }).toThrow(expect.objectContaining({ message }));
  });

  test("the same object twice is no circle", async () => {
    const { sessions } = open();
    const session = await sessions.open(exchange({}));
    const address = { city: "Oslo" };
    session.data["to"] = { billing: address, shipping: [address, address] };
    expect(await session.commit()).toBe("updated");
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
    await expect(session.commit()).rejects.toMatchObject({
      ...{ code: "invalid-data", field: "data" },
      message: "data has 40,003 bytes; at most 32,768",
    });
    session.data["x"] = 1;
    for (let i = 0; i < 256; i++) session.data[`n${i}`] = 1;
    await expect(session.commit()).rejects.toMatchObject({
      ...{ code: "invalid-data", field: "data" },
      message: "data has 257 fields; at most 256",
    });
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
    await expect(session.commit()).rejects.toMatchObject({
      ...{ code: "invalid-data", field: "cart.1" },
      message: "data: cart.1: must be a string",
    });
    const next = await sessions.open(exchange({ "x-session-id": token }));
    expect(next.data.cart).toEqual([]);
  });

  test("that refuses the data as a whole names no field", async () => {
    const message = "Too much of everything";
    const grumpy: StandardSchema<Shop> = {
      "~standard": { version: 1, vendor: "test", validate: () => ({ issues: [{ message }] }) },
    };
    const session = await open({ data: grumpy }).sessions.open(exchange({}));
    session.data.cart = ["a"];
    await expect(session.commit()).rejects.toMatchObject({
      ...{ code: "invalid-data", field: "data", message: `data: ${message}` },
    });
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

function nested(depth: number): unknown {
  return depth === 0 ? 1 : { a: nested(depth - 1) };
}

/** Short, and yet of more values than there are bytes: each list holds the next one twice. */
function endless(): unknown {
  let list: unknown = 1;
  for (let i = 0; i < 24; i++) list = [list, list];
  return list;
}

function cycle(): unknown {
  const value: { a?: unknown } = {};
  value.a = value;
  return value;
}
