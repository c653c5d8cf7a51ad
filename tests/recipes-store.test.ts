/** Recipes: what the store asks of Redis, and what happens when Redis cannot answer (O). */
import { createSessions, type SessionEvent } from "latchkey";
import { redisStore } from "latchkey/redis";
import { describe, expect, test } from "vitest";
import { startRedis } from "./support/redis-server.ts";
import { cookieOf, exchange } from "./support/sessions.ts";
import { PATIENT } from "./support/stores.ts";
import { alive, calls, type Server, useTwoServers } from "./support/two-servers.ts";
import { until } from "./support/until.ts";
import { untilWritten } from "./support/written.ts";

const open = useTwoServers();

describe("what it asks", () => {
  // connect-redis: `all` and `ids` SCAN the whole Redis. Among 200,000 sessions they take 0.6 to
  // 1.5 s, and hold others up for as long as 226 ms.
  test("O1: list and revokeUser do the same work among 500 neighbours as alone, and search nowhere", async () => {
    const { a, b, resp } = await open();
    const work = async (): Promise<unknown> => {
      await Promise.all([1, 2, 3].map(() => a.logIn("ada")));
      return calls(resp, async () => {
        expect(await b.sessions.list("ada")).toHaveLength(3);
        expect(await b.sessions.revokeUser("ada")).toBe(3);
      });
    };
    await work();
    const alone = await work();
    await Promise.all(Array.from({ length: 500 }, (_, i) => a.logIn(`user${i}`)));
    const among = await work();
    expect(among).toEqual(alone);
    expect(JSON.stringify(among)).not.toMatch(/"(keys|scan|hscan|sscan|zscan|randomkey|dbsize)"/);
  });

  // connect-redis: `clear` with the prefix `app?:` deletes `appX:keep`.
  test.each(["app?:", "app*:", "[ab]pp:", "app\\:", "{app}:", ""])(
    "O3: a prefix that would match its neighbours is refused: %j",
    async (prefix) => {
      await expect(open({ prefix })).rejects.toMatchObject({
        ...{ code: "invalid-option", field: "prefix" },
      });
    },
  );

  test("O3: neither a prefix nor a username reaches beyond itself", async () => {
    const [dot, other, longer] = [
      await open({ prefix: "app.:" }),
      await open({ prefix: "appX:" }),
      await open({ prefix: "app.:app.:" }),
    ];
    const kept = await Promise.all([
      ...[other.a.logIn("ada"), longer.a.logIn("ada"), other.a.logIn("*"), longer.a.logIn("*")],
      ...[dot.a.logIn("ada2"), dot.a.logIn("ad")],
    ]);
    await Promise.all([dot.a.logIn("ada"), dot.a.logIn("*"), dot.a.logIn("ad?")]);
    for (const user of ["ada", "*", "ad?"]) {
      expect(await dot.a.sessions.list(user)).toHaveLength(1);
      expect(await dot.a.sessions.revokeUser(user)).toBe(1);
    }
    const tokens = kept.map(({ token }) => token);
    const counts = [dot, other, longer].map(({ b }) => alive(b, tokens));
    expect(await Promise.all(counts)).toEqual([2, 2, 2]);
  });
});

describe("what goes wrong", () => {
  // connect-redis calls a callback that throws once more, and the process ends by it.
  test("O5: a listener that throws, at once or later, hears each event once and ends nothing", async () => {
    const heard: SessionEvent["type"][] = [];
    for (const fail of [thrown, rejected]) {
      const onEvent = (event: SessionEvent): unknown => {
        heard.push(event.type);
        return fail();
      };
      const { a, b } = await open({ onEvent });
      const { token, sid } = await a.logIn("ada");
      expect((await b.request(token)).user).toBe("ada");
      expect(await a.sessions.revoke(sid)).toBe("revoked");
      expect((await b.request(token)).status).toBe("invalid");
    }
    expect(heard).toEqual([...Array(2)].flatMap(() => ["created", "revoked", "refused"]));
  });

  // @hono/session: 200 and a cookie for a session that is not there, and the process ends by it.
  test("O8: a login that was not stored gives no cookie and no session", async () => {
    const { a, b, space } = await open();
    const seen = exchange({});
    const session = await a.sessions.open(seen);
    const creating = a.wire.hold();
    const login = session.login("ada");
    await creating.reached;
    creating.cut();
    await expect(login).rejects.toMatchObject({ code: "store-unavailable" });
    expect([seen.cookies, session.status, await space.keys()]).toEqual([[], "invalid", []]);
    expect(a.events).toEqual([]);
    expect(await b.sessions.list("ada")).toEqual([]);
  });

  // better-auth answers 401, Auth.js "no session": an outage of the store looks like a logout.
  test("O9: while Redis is gone the answer is unknown, never logged out; then they are back", async () => {
    const redis = await startRedis({ args: ["--appendonly", "yes"] });
    // The store's own connection, which comes back by itself.
    const store = await redisStore({ url: redis.url, callTimeout: PATIENT });
    const sessions = createSessions({ store });
    const first = exchange({});
    const login = await (await sessions.open(first)).login("ada");
    await untilWritten(redis.port);
    await redis.kill("SIGKILL");

    const during = exchange(cookieOf(first));
    const session = await sessions.open(during);
    expect([session.status, during.cookies]).toEqual(["unknown", []]);
    expect(() => session.user).toThrow(expect.objectContaining({ code: "store-unavailable" }));
    expect(() => session.data).toThrow(expect.objectContaining({ code: "store-unavailable" }));
    for (const step of [
      ...[() => session.login("bob"), () => session.logout(), () => sessions.list("ada")],
      ...[() => sessions.revoke(login.sid), () => sessions.revokeUser("ada")],
    ]) {
      await expect(step()).rejects.toMatchObject({ code: "store-unavailable" });
    }

    const answers = new Set<string>();
    await redis.restart();
    await until(async () => {
      const { status } = await sessions.check(login.token);
      answers.add(status);
      return status === "valid";
    });
    expect([...answers]).not.toContain("invalid");
    expect((await sessions.open(exchange(cookieOf(first)))).user).toBe("ada");
    await store.close();
    await redis.stop();
  });

  // The same, for a single answer that is lost. A read is asked for again, a write is not.
  test("O9: a lost answer logs nobody out, and a logout without one says so", async () => {
    const { a, b } = await open();
    const { token } = await a.logIn("ada");
    expect((await cut(a, () => a.request(token))).status).toBe("valid");
    const session = await a.request(token);
    const logout = cut(a, () => session.logout());
    await expect(logout).rejects.toMatchObject({ code: "store-unavailable" });
    expect([session.user, await alive(b, [token])]).toEqual(["ada", 1]);
    await session.logout();
    expect(await alive(b, [token])).toBe(0);
  });

  // better-auth with its cookie cache: a revoked session is accepted until the cache's `maxAge`.
  test("O11: what one server has revoked, no server takes from then on", async () => {
    const { a, b } = await open();
    const logins = await Promise.all(Array.from({ length: 20 }, () => a.logIn("ada")));
    for (const { token, sid } of logins) {
      expect(await alive(b, [token])).toBe(1);
      await a.sessions.revoke(sid);
      expect(await alive(b, [token])).toBe(0);
    }
  });
});

function thrown(): never {
  throw new Error("a broken log");
}

function rejected(): Promise<never> {
  return Promise.reject(new Error("a broken log"));
}

/** The outcome of a step whose first command is lost. */
async function cut<T>({ wire }: Server, step: () => Promise<T>): Promise<T> {
  const gate = wire.hold();
  const outcome = step();
  await gate.reached;
  gate.cut();
  return outcome;
}
