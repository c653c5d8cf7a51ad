/** Recipes: what a session holds. Secrets at rest, values that JSON has not, foreign ones (S). */
import { describe, expect, test } from "vitest";
import type { Resp } from "./support/resp.ts";
import { alive, type TwoServers, useTwoServers } from "./support/two-servers.ts";

const open = useTwoServers();

describe("secrets", () => {
  // express-session, koa-session, better-auth, @adonisjs/session: the raw id is the key's name.
  test("S1: nothing in a dump of Redis opens a session", async () => {
    const { tries, tokens, servers } = await stolen("split");
    expect(await alive(servers.a, tries)).toBe(0);
    const literal = await open({ layout: "literal", prefix: servers.prefix });
    expect(await alive(literal.a, tries)).toBe(0);
    expect(await alive(servers.b, tokens)).toBe(tokens.length);
  });

  test("S1: the same dump of the literal layout opens them all, as its pages warn", async () => {
    const { tries, tokens, servers } = await stolen("literal");
    expect(await alive(servers.a, tries)).toBe(tokens.length);
  });

  test("S1: no secret is sent to Redis either, where MONITOR and SLOWLOG would show it", async () => {
    const { servers, tokens } = await stolen("split");
    const sent = JSON.stringify([servers.a.wire.sent, servers.b.wire.sent]);
    expect(sent).toContain(tokens[0]?.slice(0, 24));
    for (const token of tokens) expect(sent).not.toContain(token.slice(25));
  });

  /** Sessions after some use, and all that somebody with a dump of Redis would try as a token. */
  async function stolen(layout: "split" | "literal") {
    const servers = await open({ layout });
    const { a, b } = servers;
    const logins = await Promise.all([1, 2, 3].map(() => a.logIn("ada", { device: "Firefox" })));
    for (const { token } of logins) {
      const session = await b.request(token);
      session.data["cart"] = ["x"];
      await session.commit();
    }
    await a.sessions.list("ada");
    const tokens = logins.map(({ token }) => token);
    const words = (await dump(servers)).match(/[\w-]{24,}/g) ?? [];
    const sids = new Set(words.filter((word) => word.length === 24));
    const tries = [...sids].flatMap((sid) => [
      sid,
      ...words.flatMap((word) => [word, `${sid}.${word}`, `${sid}.${word.slice(0, 32)}`]),
    ]);
    return { servers, tokens, tries: [...new Set(tries)] };
  }
});

/** All keys and values of the prefix, as text. */
async function dump({ space, resp }: TwoServers): Promise<string> {
  const texts: string[] = [];
  for (const key of await space.keys()) texts.push(key, JSON.stringify(await value(resp, key)));
  return texts.join("\n");
}

async function value(resp: Resp, key: string) {
  const type = await resp.command("TYPE", key);
  if (type === "hash") return resp.command("HGETALL", key);
  if (type === "zset") return resp.command("ZRANGE", key, "0", "-1", "WITHSCORES");
  return resp.command("GET", key);
}

describe("values", () => {
  // express-session: a Date comes back as a string, a Map as {}; a BigInt hangs the response for good.
  test.each([
    ["S6", "a Date", "since", new Date(0), "since"],
    ["S6", "a Map in a field", "user", { roles: new Map() }, "user.roles"],
    ["S6", "an undefined in a list", "cart", ["x", undefined], "cart.1"],
    ["S7", "a BigInt", "balance", 1n, "balance"],
    ["S7", "a BigInt deep inside", "cart", [{ price: 1n }], "cart.0.price"],
  ])("%s: %s is refused where it is assigned, by its path", async (_id, _what, name, bad, path) => {
    const { a, b } = await open();
    const { token } = await a.logIn("ada");
    const session = await a.request(token);
    session.data["a"] = 1;
    expect(() => Object.assign(session.data, { [name]: bad })).toThrow(
      expect.objectContaining({ code: "invalid-data", field: path }),
    );
    expect(await session.commit()).toBe("updated");
    expect({ ...(await b.request(token)).data }).toEqual({ a: 1 });
  });

  test("S7: a BigInt that came in behind the assignment fails the commit, not the next one", async () => {
    const { a, b } = await open();
    const { token } = await a.logIn("ada");
    const session = await a.request(token);
    const cart: unknown[] = [];
    session.data["cart"] = cart;
    cart.push(1n);
    const refused = { code: "invalid-data", field: "cart.0" };
    await expect(session.commit()).rejects.toMatchObject(refused);
    cart.pop();
    expect(await session.commit()).toBe("updated");
    expect({ ...(await b.request(token)).data }).toEqual({ cart: [] });
  });

  // express-session and @fastify/session: data and methods share an object, and `save` breaks it.
  test("S10: fields that are named like methods are data, and the methods stay", async () => {
    const { a, b } = await open();
    const { token } = await a.logIn("ada");
    const session = await a.request(token);
    const names = ["save", "touch", "id", "get", "set", "user", "commit", "data", "login", "then"];
    for (const name of names) session.data[name] = `my ${name}`;
    expect(await session.commit()).toBe("updated");
    const next = await b.request(token);
    expect({ ...next.data }).toEqual(Object.fromEntries(names.map((name) => [name, `my ${name}`])));
    expect(next.user).toBe("ada");
    await next.logout();
    expect(await alive(a, [token])).toBe(0);
  });
});

describe("foreign values", () => {
  // express-session and connect-redis answer 500 to every request with that cookie until it expires.
  test.each([
    ["a field that is no JSON", (sid: string) => ["HSET", `{${sid}}:record`, ":cart", "{oops"]],
    ["a string for a record", (sid: string) => ["SET", `{${sid}}:record`, "oops"]],
    ["a list for a session", (sid: string) => ["LPUSH", sid, "oops"]],
  ])("S8: %s is one dead session and an event, and no error", async (_what, command) => {
    const { a, b, prefix, resp } = await open();
    const [broken, fine] = [await a.logIn("ada"), await a.logIn("ada")];
    const key = prefix + broken.sid;
    const [verb = "", target = "", ...rest] = command(key);
    if (verb !== "HSET") await resp.command("DEL", target);
    await resp.command(verb, target, ...rest);
    const session = await b.request(broken.token);
    expect([session.status, session.user]).toEqual(["invalid", undefined]);
    const refused = { type: "refused", sid: broken.sid, user: undefined, reason: "corrupt" };
    expect(b.events).toEqual([refused]);
    const again = await session.login("ada");
    expect(await alive(a, [broken.token, fine.token, again.token])).toBe(2);
    const listed = (await b.sessions.list("ada")).map(({ sid }) => sid);
    expect(listed).toEqual(expect.arrayContaining([fine.sid, again.sid]));
    await b.sessions.revokeUser("ada");
    expect(await alive(a, [broken.token, fine.token, again.token])).toBe(0);
  });

  // koa-session and koa-redis: with `maxAge: "session"` every request ends in an error of Redis.
  test("S9: a length of time that is none is refused at the start, by its name", async () => {
    for (const field of ["idleTimeout", "absoluteTimeout"]) {
      const refused = open({ [field]: "session" });
      await expect(refused).rejects.toMatchObject({ code: "invalid-option", field });
    }
  });
});
