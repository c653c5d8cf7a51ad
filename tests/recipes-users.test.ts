/** Recipes: whose session it is. Fixation (F), the sessions of a user (U). */
import { ABSOLUTE_TIMEOUT_MAX_MS } from "latchkey";
import { describe, expect, test } from "vitest";
import { cookieOf, exchange } from "./support/sessions.ts";
import { HOUR } from "./support/stores.ts";
import { alive, expectNothingLeft, type Server, useTwoServers } from "./support/two-servers.ts";

const MINUTE = 60_000;
const open = useTwoServers();

describe("fixation", () => {
  // express-session, @fastify/session, koa-session and both of Hono keep the id: the login must ask.
  test("F1: a login gives a new id, and the one from before opens nothing", async () => {
    const { a, b } = await open();
    const seen = exchange({});
    const visitor = await a.sessions.open(seen);
    Object.assign(visitor.data, { cart: ["x"], role: "guest" });
    await visitor.commit();
    const [planted, sid] = [cookieOf(seen), visitor.sid];
    const login = await visitor.login("ada", { keep: ["cart"] });
    expect(login.sid).not.toBe(sid);
    expect((await b.sessions.open(exchange(planted))).status).toBe("invalid");
    expect({ ...(await b.request(login.token)).data }).toEqual({ cart: ["x"] });
  });

  // express-session goes on with the new session when ending the old one failed: both live.
  test("F3: a login that cannot end the session it came with begins none", async () => {
    const { a, b, space } = await open();
    const before = await a.logIn("ada");
    const session = await a.request(before.token);
    const ending = a.wire.hold();
    const login = session.login("bob");
    await ending.reached;
    ending.cut();
    await expect(login).rejects.toMatchObject({ code: "store-unavailable" });
    expect(await b.sessions.list("bob")).toEqual([]);
    expect((await space.keys()).filter((key) => key.includes(":bob}"))).toEqual([]);
    expect((await b.request(before.token)).user).toBe("ada");
  });

  // @adonisjs/session takes the cookie's id as it is: the same one after logout and next login.
  test("F9: an id that nobody gave out is not adopted, neither by data nor by a login", async () => {
    for (const layout of ["split", "literal"] as const) {
      const { a, b, space, prefix } = await open({ layout });
      const sid = "attacker-attacker-attack";
      const token = layout === "split" ? `${sid}.${"x".repeat(32)}` : sid;
      const visitor = await a.request(token);
      visitor.data["cart"] = ["x"];
      await visitor.commit();
      expect([visitor.status, visitor.sid === sid]).toEqual(["valid", false]);
      const login = await (await b.request(token)).login("ada");
      expect(login.sid).not.toBe(sid);
      expect((await a.request(token)).status).toBe("invalid");
      expect(await space.keys()).not.toContain(prefix + sid);
    }
  });

  // react-router: `commitSession` recreates the destroyed session under its old id.
  test("F10: a destroyed id is not adopted, whether it was destroyed before or during a request", async () => {
    const servers = await open();
    const { a, b, space, prefix } = servers;
    const old = await a.logIn("ada");
    const during = await b.request(old.token);
    await (await a.request(old.token)).logout();
    during.data["a"] = 1;
    expect(await during.commit()).toBe("gone");
    await expectNothingLeft(servers, old.token);
    const after = await b.request(old.token);
    after.data["a"] = 1;
    expect(await after.commit()).toBe("updated");
    expect([after.user, after.sid === old.sid]).toEqual([undefined, false]);
    expect(await space.keys()).not.toContain(prefix + old.sid);
    expect((await a.request(old.token)).status).toBe("invalid");
  });
});

describe("the sessions of a user", () => {
  // better-auth's index is a JSON list: of 20 + 1 it shows 2, and revoke-others leaves 19 of the 20.
  test.each([2, 3, 5, 20])(
    "U2: %d parallel logins and one more are all listed, and revoking the others leaves that one",
    async (count) => {
      const { a, b } = await open();
      const others = await logIns(count, a, b);
      const own = await a.logIn("ada");
      const listed = (await b.sessions.list("ada")).map(({ sid }) => sid);
      expect(new Set(listed)).toEqual(new Set([...others, own].map(({ sid }) => sid)));
      expect(listed).toHaveLength(count + 1);
      await b.sessions.revokeUser("ada", { except: own.sid });
      expect(await alive(a, tokens(others))).toBe(0);
      expect((await a.request(own.token)).user).toBe("ada");
      expect((await a.sessions.list("ada")).map(({ sid }) => sid)).toEqual([own.sid]);
    },
  );

  // better-auth before 1.7.25: survivors, as above. Since then it compares creation times in ms.
  test("U3: revoking all leaves none of 20 parallel logins, and ends no login of the same ms", async () => {
    const { a, b } = await open();
    for (let round = 0; round < 20; round++) {
      const before = await logIns(20, a, b);
      await a.sessions.revokeUser("ada");
      const next = await b.logIn("ada");
      expect([await alive(b, tokens(before)), await alive(a, [next.token])]).toEqual([0, 1]);
    }
  });

  // A list of what to delete does not have the login that is on its way.
  test("U3: a login whose password was checked before all were revoked is refused", async () => {
    const { a, b } = await open();
    const generation = await a.sessions.generation("ada");
    const session = await a.request();
    const creating = a.wire.hold();
    const login = session.login("ada", { generation });
    await creating.reached;
    await b.sessions.revokeUser("ada");
    creating.release();
    await expect(login).rejects.toMatchObject({ code: "stale-credential" });
    expect(await b.sessions.list("ada")).toEqual([]);
  });

  // better-auth's list hands the raw tokens of all other sessions to the browser.
  test("U4: nothing that a list shows opens a session", async () => {
    const { a, b } = await open();
    const logins = await logIns(3, a, b, { device: "Firefox" });
    const shown = JSON.stringify(await b.sessions.list("ada"));
    const words = shown.match(/[\w.-]+/g) ?? [];
    expect(words).toEqual(expect.arrayContaining(logins.map(({ sid }) => sid)));
    const tries = words.flatMap((word) => [word, ...words.map((other) => `${word}.${other}`)]);
    expect(await alive(a, tries)).toBe(0);
    for (const { token } of logins) expect(shown).not.toContain(token.slice(25));
    expect(await alive(a, tokens(logins))).toBe(3);
  });

  // @adonisjs/session: its set of a user's sessions never ends. Auth.js on Upstash: no session does.
  test("U5: whatever was done, every key ends by itself, with the longest life at the latest", async () => {
    const { a, b, space, resp } = await open({ absoluteTimeout: "12h" });
    const visitor = await a.request();
    visitor.data["cart"] = ["x"];
    await visitor.commit();
    const logins = await logIns(5, a, b, { device: "Firefox" });
    await space.elapse(10 * MINUTE);
    const session = await b.request(logins[0]?.token);
    session.data["a"] = 1;
    expect(await session.commit()).toBe("updated");
    await a.sessions.revoke(logins[1]?.sid ?? "");
    await a.sessions.revokeUser("ada", { except: session.sid ?? "" });
    await logIns(2, a, b);
    const ends = new Map<string, number>();
    for (const key of await space.keys()) ends.set(key, Number(await resp.command("PTTL", key)));
    // Visitor, the exception, two logins, with their records; the index, the barrier.
    expect(ends.size).toBeGreaterThanOrEqual(2 + 2 + 4 + 1 + 1);
    // A revoke-all is remembered as long as any session may live, whatever the setting of today.
    const longest = (key: string): number =>
      key.endsWith(":barrier") ? ABSOLUTE_TIMEOUT_MAX_MS : 12 * HOUR;
    expect([...ends].filter(([key, ms]) => ms < 0 || ms > longest(key))).toEqual([]);
  });

  // No peer has such a limit. Counting first and creating then lets in as many as ask at once.
  test("U7: of 20 parallel logins, three live: the last ones, or the first ones", async () => {
    for (const atLimit of ["evict-oldest", "reject"] as const) {
      const { a, b } = await open({ maxPerUser: 3, atLimit });
      const logins = await Promise.allSettled(
        Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? a : b).logIn("ada")),
      );
      const given = logins.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
      const refused = logins.flatMap((one) => (one.status === "rejected" ? [one.reason.code] : []));
      expect(given).toHaveLength(atLimit === "reject" ? 3 : 20);
      expect(new Set(refused)).toEqual(new Set(atLimit === "reject" ? ["session-limit"] : []));
      expect(await alive(a, tokens(given))).toBe(3);
      expect(await b.sessions.list("ada")).toHaveLength(3);
    }
  });
});

interface Given {
  readonly sid: string;
  readonly token: string;
}

/** Parallel logins of ada, on both servers in turn. */
function logIns(count: number, a: Server, b: Server, options = {}): Promise<Given[]> {
  const servers = Array.from({ length: count }, (_, i) => (i % 2 === 0 ? a : b));
  return Promise.all(servers.map((server) => server.logIn("ada", options)));
}

function tokens(logins: readonly Given[]): string[] {
  return logins.map(({ token }) => token);
}
