/** What a handle does when something happened meanwhile: other requests, other credentials. */
import { describe, expect, test } from "vitest";
import { exchange, logIn, open } from "../../../../tests/support/sessions.ts";
import { SessionError } from "./errors.ts";
import { createSessions } from "./manager.ts";
import type { SessionId } from "./token.ts";

const by = (token: string) => exchange({ "x-session-id": token });

describe("two logins at once over one session", () => {
  // Ending what could not be renewed ended what the first had just been given.
  test.each(["split", "literal"] as const)(
    "both work, none ends the other's (%s)",
    async (layout) => {
      const { sessions } = open({ layout });
      const { token } = await logIn(sessions, "ada");
      const twice = [await sessions.open(by(token)), await sessions.open(by(token))];
      if (twice[0]) twice[0].data["cart"] = 1;
      await twice[0]?.commit();
      const logins = await Promise.all(twice.map((session) => session.login("ada")));
      const answers = await Promise.all(logins.map((login) => sessions.check(login.token)));
      expect(answers.map(({ status }) => status)).toEqual(["valid", "valid"]);
      expect((await sessions.check(token)).status).toBe("invalid");
      const after = await sessions.open(by(logins[0]?.token ?? ""));
      expect(after.data).toEqual({ cart: 1 });
    },
  );
});

describe("logout", () => {
  test("ends every session that the request names, whatever way", async () => {
    const { sessions } = open();
    const logins = await Promise.all(["a", "b", "c", "d"].map((user) => logIn(sessions, user)));
    const [a = "", b = "", c = "", d = ""] = logins.map(({ token }) => token);
    const headers = {
      "x-session-id": a,
      authorization: `Bearer ${b}`,
      cookie: `__Host-sid=${c}; __Host-sid=${d}`,
    };
    await (await sessions.open(exchange(headers))).logout();
    const answers = await Promise.all(logins.map(({ token }) => sessions.check(token)));
    expect(answers.map(({ status }) => status)).toEqual(Array(4).fill("invalid"));
  });

  // A sibling host can plant as many as fit into the header.
  test("is not misled by planted cookies in front of the real one", async () => {
    const { sessions } = open();
    const { token } = await logIn(sessions, "ada");
    const planted = Array.from(
      { length: 50 },
      (_, i) => `__Host-sid=${String(i).padStart(57, "x")}`,
    );
    const cookie = [...planted, `__Host-sid=${token}`].join("; ");
    await (await sessions.open(exchange({ cookie }))).logout();
    expect((await sessions.check(token)).status).toBe("invalid");
  });

  // Without a bound, one request with a Cookie header of 16 kB was 560 round trips.
  test("asks the store about 50 tokens at most", async () => {
    const { store } = open();
    let loads = 0;
    const load = (sid: SessionId): ReturnType<typeof store.load> => {
      loads++;
      return store.load(sid);
    };
    const counting = new Proxy(store, {
      get: (target, name) => (name === "load" ? load : Reflect.get(target, name)),
    });
    const sessions = createSessions({ store: counting });
    const tokens = Array.from({ length: 300 }, (_, i) => `${i}`.padStart(24, "x"));
    const cookie = tokens.map((sid) => `__Host-sid=${sid}.${"s".repeat(32)}`).join("; ");
    await (await sessions.open(exchange({ cookie }))).logout();
    expect(loads).toBe(50);
  });

  test.each(["split", "literal"] as const)(
    "with a token that was rotated away meanwhile ends what it became (%s)",
    async (layout) => {
      const { sessions, clock } = open({ layout });
      for (const how of ["before it came", "under way", "after a commit that was told so"]) {
        const { token } = await logIn(sessions, "ada");
        const early = await sessions.open(by(token));
        const rotated = await (await sessions.open(by(token))).rotate({ grace: false });
        if (how.startsWith("after")) {
          early.data["a"] = 1;
          expect(await early.commit()).toBe("gone");
        }
        const leaving = how.startsWith("before") ? await sessions.open(by(token)) : early;
        await leaving.logout();
        expect((await sessions.check(rotated?.token ?? "")).status, how).toBe("invalid");
        clock.advance(1);
      }
    },
  );

  test("an id without its secret ends nothing", async () => {
    const { sessions } = open();
    const { token, sid } = await logIn(sessions, "ada");
    await (await sessions.open(by(`${sid}.${"x".repeat(32)}`))).logout();
    expect((await sessions.check(token)).status).toBe("valid");
  });

  test("leaves room for a word of farewell, in a session that is nobody's", async () => {
    const { sessions } = open();
    const { token } = await logIn(sessions, "ada");
    const session = await sessions.open(by(token));
    session.data["secret"] = 1;
    await session.logout();
    session.data["flash"] = "You are logged out";
    expect(await session.commit()).toBe("updated");
    expect(session.user).toBeUndefined();
    expect(session.data).toEqual({ flash: "You are logged out" });
  });
});

test("what a user had is not handed to the next, also if the session had ended", async () => {
  const { sessions } = open();
  const { token, sid } = await logIn(sessions, "kim");
  const session = await sessions.open(by(token));
  session.data["cart"] = ["kim's"];
  await sessions.revoke(sid);
  expect(await session.commit()).toBe("gone");
  await session.login("leo", { keep: ["cart"] });
  expect(session.data).toEqual({});
});

// A commit that finds it so already writes nothing, and says so of whatever version it found.
test("ifUnchanged is not misled by a commit that had nothing to write", async () => {
  const { sessions } = open();
  const { token } = await logIn(sessions, "ada");
  const [one, two] = [await sessions.open(by(token)), await sessions.open(by(token))];
  two.data["seen"] = true;
  two.data["balance"] = 5;
  await two.commit();
  one.data["seen"] = true;
  expect(await one.commit()).toBe("unchanged");
  one.data["balance"] = 100;
  expect(await one.commit({ ifUnchanged: true })).toBe("conflict");
});

// One junk cookie of a sibling host kept a stolen token alive through its owner's next login.
test("a login over a duplicated cookie ends what the cookie names", async () => {
  const { sessions } = open();
  const { token } = await logIn(sessions, "ada");
  const twice = exchange({ cookie: `__Host-sid=${token}; __Host-sid=junk` });
  await (await sessions.open(twice)).login("ada");
  expect((await sessions.check(token)).status).toBe("invalid");
});

test("revoke with an owner ends nobody else's session", async () => {
  const { sessions } = open();
  const { sid, token } = await logIn(sessions, "ada");
  expect(await sessions.revoke(sid, { owner: "bob" })).toBe("absent");
  expect((await sessions.check(token)).status).toBe("valid");
  // What `{ owner: session.user }` is for a visitor; passed over, it ended anybody's session.
  const nobody = { owner: undefined as unknown as string };
  await expect(sessions.revoke(sid, nobody)).rejects.toMatchObject({ field: "owner" });
  await expect(sessions.revoke(sid, Object({ user: "bob" }))).rejects.toMatchObject({
    field: "user",
  });
  const all = { except: undefined as unknown as string };
  await expect(sessions.revokeUser("ada", all)).rejects.toMatchObject({ field: "except" });
  expect(await sessions.revoke(sid, { owner: "ada" })).toBe("revoked");
});

// Else it counts in a cap until it ends by itself, and with atLimit "reject" locks its user out.
test("a login whose answer was lost leaves no session that nobody holds", async () => {
  const { sessions, store } = open({ maxPerUser: 1, atLimit: "reject" });
  const create = store.create.bind(store);
  const lost = async (...args: Parameters<typeof create>): Promise<never> => {
    await create(...args);
    throw new SessionError("store-unavailable", "no answer in 250 ms");
  };
  Object.assign(store, { create: lost });
  await expect(logIn(sessions, "ada")).rejects.toMatchObject({ code: "store-unavailable" });
  Object.assign(store, { create });
  expect((await store.list("ada")).records).toEqual([]);
  await logIn(sessions, "ada");
});

test("odd JSON that somebody wrote into a record is one dead session", async () => {
  const { sessions, store, events } = open();
  for (const text of [
    '{"__proto__":1}',
    "1e999",
    '{"toJSON":1}',
    `${"[".repeat(40)}${"]".repeat(40)}`,
  ]) {
    const { token, sid } = await logIn(sessions, "ada");
    const set = new Map([["a", text]]);
    await store.update(sid, { set, unset: new Set(), ifVersion: undefined });
    expect((await sessions.open(by(token))).status).toBe("invalid");
    expect(events.at(-1)).toMatchObject({ type: "refused", reason: "corrupt" });
  }
});

test("a value that holds itself over and over is refused in time", async () => {
  const { sessions } = open();
  const session = await sessions.open(exchange({}));
  let value: unknown = ["x"];
  for (let i = 0; i < 30; i++) value = [value, value];
  expect(() => {
    session.data["a"] = value;
  }).toThrow(expect.objectContaining({ code: "invalid-data" }));
});
