/** Recipes: requests of one session that overlap. Lost updates (D1), revived sessions (D2). */
import { expect, test } from "vitest";
import { expectNothingLeft, type Server, useTwoServers } from "./support/two-servers.ts";

const MINUTE = 60_000;
const open = useTwoServers();

// Every peer keeps one of the two: it saves the whole session as it was read.
test("D1: of two requests that set different fields, both keep theirs", async () => {
  const { a, b } = await open();
  const { token } = await a.logIn("ada");
  const [slow, quick] = [await a.request(token), await b.request(token)];
  quick.data["b"] = 1;
  expect(await quick.commit()).toBe("updated");
  slow.data["a"] = 1;
  expect(await slow.commit()).toBe("updated");
  expect({ ...(await b.request(token)).data }).toEqual({ a: 1, b: 1 });
});

// The same in a store that reads, merges and writes when it is told to save: the last few win.
test("D1: of 20 that commit different fields at one moment, all keep theirs", async () => {
  const { a, b } = await open();
  const { token } = await a.logIn("ada");
  const sessions = await Promise.all(
    Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? a : b).request(token)),
  );
  for (const [i, session] of sessions.entries()) session.data[`field${i}`] = i;
  await Promise.all(sessions.map((session) => session.commit()));
  expect(Object.keys((await b.request(token)).data)).toHaveLength(20);
});

// connect-redis 6.1.0 merged both sessions: the removed field came back, the lists ran together.
test("D1: a field that one removed stays removed, and a list is the one that was written last", async () => {
  const { a, b } = await open();
  const { token } = await a.logIn("ada");
  const first = await a.request(token);
  Object.assign(first.data, { cart: ["x", "y"], otp: "123" });
  await first.commit();
  const [slow, quick] = [await a.request(token), await b.request(token)];
  delete quick.data["otp"];
  await quick.commit();
  slow.data["cart"] = ["z"];
  await slow.commit();
  expect({ ...(await b.request(token)).data }).toEqual({ cart: ["z"] });
});

// express-session ends at 3 or 4, @fastify/session at 1 to 3, koa-session at 4.
test("D1b: 50 parallel increments end at 50", async () => {
  const { a, b } = await open();
  const { token } = await a.logIn("ada");
  await Promise.all(Array.from({ length: 50 }, (_, i) => increment(i % 2 === 0 ? a : b, token)));
  expect((await a.request(token)).data["n"]).toBe(50);
});

async function increment(server: Server, token: string): Promise<void> {
  for (let outcome = "conflict"; outcome !== "updated"; ) {
    const session = await server.request(token);
    session.data["n"] = Number(session.data["n"] ?? 0) + 1;
    outcome = await session.commit({ ifUnchanged: true });
    expect(["updated", "conflict"]).toContain(outcome);
  }
}

// Alive again in express-session, @fastify/session, koa-session, both of Hono and @adonisjs/session.
test("D2: a request that writes after a logout elsewhere hears so, and brings nothing back", async () => {
  const servers = await open();
  const { a, b } = servers;
  const { token } = await a.logIn("ada");
  const slow = await a.request(token);
  await (await b.request(token)).logout();
  slow.data["a"] = 1;
  expect(await slow.commit()).toBe("gone");
  await expectNothingLeft(servers, token);
});

// better-auth: alive again, as its refresh writes what it had read before the sign-out.
test("D2: neither does a write that was on its way when the logout came", async () => {
  const servers = await open();
  const { a, b } = servers;
  const { token } = await a.logIn("ada");
  const slow = await a.request(token);
  slow.data["a"] = 1;
  const write = a.wire.hold();
  const committing = slow.commit();
  await write.reached;
  await (await b.request(token)).logout();
  write.release();
  expect(await committing).toBe("gone");
  await expectNothingLeft(servers, token);
});

// By their defaults @fastify/session and hono-sessions write on every request: alive again.
test("D2: a request that only reads brings nothing back when it ends after a logout", async () => {
  const servers = await open();
  const { a, b } = servers;
  const { token } = await a.logIn("ada");
  const slow = await a.request(token);
  await (await b.request(token)).logout();
  expect(slow.user).toBe("ada");
  expect(await slow.commit()).toBe("unchanged");
  await expectNothingLeft(servers, token);
});

// koa-session with `rolling` or `renew`: alive again. Its store has no touch, so it saves.
test("D2: a sliding deadline that is moved after a logout brings nothing back", async () => {
  const servers = await open({ idleTimeout: "30m" });
  const { a, b, space } = servers;
  const { token } = await a.logIn("ada");
  await space.elapse(10 * MINUTE);
  const touch = a.wire.hold(1);
  const opening = a.request(token);
  await touch.reached;
  await (await b.request(token)).logout();
  touch.release();
  expect((await opening).status).toBe("invalid");
  await expectNothingLeft(servers, token);
});

// better-auth: `updateUser` anywhere writes all sessions of the user, also the one signed out.
test("D2: a logout holds while another session of the same user is written to", async () => {
  const { a, b } = await open();
  const [ended, other] = [await a.logIn("ada"), await a.logIn("ada")];
  const busy = await a.request(other.token);
  busy.data["name"] = "Ada";
  const write = a.wire.hold();
  const committing = busy.commit();
  await write.reached;
  await (await b.request(ended.token)).logout();
  write.release();
  expect(await committing).toBe("updated");
  expect((await a.request(ended.token)).status).toBe("invalid");
  expect((await b.sessions.list("ada")).map(({ sid }) => sid)).toEqual([other.sid]);
});

// Where revoke-all deletes what an index names, each of these writes its session back.
test("D2: what 20 requests write after all sessions were revoked brings none back", async () => {
  const servers = await open();
  const { a, b } = servers;
  const logins = await Promise.all(Array.from({ length: 20 }, () => a.logIn("ada")));
  const busy = await Promise.all(logins.map(({ token }) => a.request(token)));
  await b.sessions.revokeUser("ada");
  for (const session of busy) session.data["a"] = 1;
  const outcomes = await Promise.all(busy.map((session) => session.commit()));
  expect(new Set(outcomes)).toEqual(new Set(["gone"]));
  for (const { token } of logins) await expectNothingLeft(servers, token);
});
