/** Recipes: when a session ends, and what it costs Redis until then (X). */
import { expect, test } from "vitest";
import { cookieOf, exchange } from "./support/sessions.ts";
import { HOUR } from "./support/stores.ts";
import { alive, calls, useTwoServers } from "./support/two-servers.ts";

const MINUTE = 60_000;
const open = useTwoServers();

// Only @hono/session has an absolute end. Used often enough, a session of the others never ends.
test("X1: however much it is used, a session ends with its absolute timeout", async () => {
  const { a, b, space } = await open({ idleTimeout: "30m", absoluteTimeout: "2h" });
  const { token } = await a.logIn("ada");
  for (let used = 20 * MINUTE; used < 2 * HOUR; used += 20 * MINUTE) {
    await space.elapse(20 * MINUTE);
    expect((await b.request(token)).status, `after ${used / MINUTE} minutes`).toBe("valid");
  }
  await space.elapse(20 * MINUTE);
  expect([await alive(a, [token]), await alive(b, [token])]).toEqual([0, 0]);
  expect(await a.sessions.list("ada")).toEqual([]);
});

// @hono/session: the stored session has no TTL, and use does not prolong what it has instead.
test("X2: an unused session ends with its idle timeout, and a use starts that anew", async () => {
  const { a, b, space } = await open({ idleTimeout: "30m" });
  const [used, unused] = [await a.logIn("ada"), await a.logIn("ada")];
  await space.elapse(20 * MINUTE);
  await b.request(used.token);
  await space.elapse(20 * MINUTE);
  expect([await alive(a, [used.token]), await alive(a, [unused.token])]).toEqual([1, 0]);
});

// hono-sessions and @fastify/session store one for each: an open door for filling up Redis.
test("X3: a visitor about whom nothing is to be kept costs no key, no write and no cookie", async () => {
  const { a, space, resp } = await open();
  const seen = exchange({});
  const { all } = await calls(resp, async () => {
    const visitor = await a.sessions.open(seen);
    expect(await visitor.commit()).toBe("unchanged");
  });
  expect([all, seen.cookies, await space.keys()]).toEqual([{}, [], []]);
});

// express-session and connect-redis: GET and EXPIRE. @fastify/session, hono-sessions: GET and SET.
// better-auth: two GET, and six commands where a refresh is due.
test.each(["split", "literal"] as const)(
  "X5: a request that only reads is one script in Redis and no write, in the %s layout",
  async (layout) => {
    const { a, resp } = await open({ layout });
    const { token } = await a.logIn("ada");
    await a.request(token);
    const before = a.wire.sent.length;
    const { all, writes } = await calls(resp, async () => {
      const session = await a.request(token);
      expect([session.user, await session.commit()]).toEqual(["ada", "unchanged"]);
    });
    expect(a.wire.sent.slice(before).map(([command]) => command)).toEqual(["EVALSHA"]);
    expect([all["evalsha"], all["eval"], writes]).toEqual([1, undefined, []]);
    const session = await a.request(token);
    session.data["a"] = 1;
    expect((await calls(resp, () => session.commit())).writes).toContain("hset");
  },
);

// connect-redis moves the TTL and leaves the stored `cookie.expires`: from then on one of them lies.
test("X7: after a use, session, list and Redis name the same end", async () => {
  const { a, b, space, prefix, resp } = await open({ idleTimeout: "30m" });
  const { token, sid, expiresAt } = await a.logIn("ada");
  await space.elapse(10 * MINUTE);
  const session = await a.request(token);
  const end = session.expiresAt ?? 0;
  expect(end).toBeGreaterThanOrEqual(expiresAt);
  const [listed] = await b.sessions.list("ada");
  expect([listed?.expiresAt, listed?.absoluteExpiresAt]).toEqual([end, session.absoluteExpiresAt]);
  const index = `{${prefix}user:ada}:sessions`;
  for (const key of [prefix + sid, `{${prefix}${sid}}:record`, index]) {
    expect(Number(await resp.command("PEXPIRETIME", key)), key).toBe(end);
  }
  expect(Number(await resp.command("ZSCORE", index, sid))).toBe(end);
});

// connect-redis rounds up to seconds: this one would last for 61 s, and one of 250 ms for a second.
test.each(["split", "literal"] as const)(
  "X8: a life is as long as it says, to the millisecond, in the %s layout",
  async (layout) => {
    const options = { layout, idleTimeout: false } as const;
    const { a, space, prefix, resp } = await open({ ...options, absoluteTimeout: "60500ms" });
    const session = await a.request();
    session.data["cart"] = ["x"];
    const { sid, token } = await session.login("ada", { keep: ["cart"] });
    const { createdAt = 0, expiresAt = 0 } = session;
    expect(expiresAt - createdAt).toBe(60_500);
    expect(Number(await resp.command("PEXPIRETIME", prefix + sid))).toBe(expiresAt);
    await space.elapse(60_500);
    expect(await alive(a, [token])).toBe(0);
  },
);

test("X8: a life of less than a second is one", async () => {
  const { a } = await open({ idleTimeout: false, absoluteTimeout: "250ms" });
  const session = await a.request();
  await session.login("ada");
  const { createdAt = 0, expiresAt = 0 } = session;
  expect(expiresAt - createdAt).toBe(250);
});

// express-session begins three sessions, and the last cookie wins.
test("X14: the parallel requests of a first visit begin no session until one has data", async () => {
  const { a, b, space } = await open();
  const seen = [exchange({}), exchange({}), exchange({})];
  const visits = await Promise.all(
    seen.map((port, i) => (i % 2 === 0 ? a : b).sessions.open(port)),
  );
  const [first] = visits;
  if (first) first.data["cart"] = ["x"];
  await Promise.all(visits.map((visit) => visit.commit()));
  expect(seen.map(({ cookies }) => cookies.length)).toEqual([1, 0, 0]);
  expect((await space.keys()).filter((key) => !key.startsWith("{"))).toHaveLength(1);
  const next = await b.sessions.open(exchange(cookieOf(seen[0] ?? exchange({}))));
  expect({ ...next.data }).toEqual({ cart: ["x"] });
});
