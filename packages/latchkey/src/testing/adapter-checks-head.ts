/** What an adapter puts into the head of a response: the cookie, and what caches are told. */
import assert from "node:assert/strict";
import { type AdapterCheck, assertPrivate } from "./adapter-harness.ts";

const TOKEN = /^[A-Za-z0-9_-]{24}\.[A-Za-z0-9_-]{32}$/;
const CLEARED = "__Host-sid=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax";

export const COOKIE: Record<string, AdapterCheck> = {
  "a login sets it, byte for byte, and it opens the session": async (bench) => {
    const client = await bench.serve({});
    const login = await client.post("/login");
    assert.match(login.body, TOKEN);
    assert.deepEqual(login.lines("set-cookie"), [
      `__Host-sid=${login.body}; Path=/; Secure; HttpOnly; SameSite=Lax`,
    ]);
    assertPrivate(login);
    const me = await client.get("/me", "Cookie", `__Host-sid=${login.body}`);
    assert.deepEqual([me.status, me.body], [200, "ada"]);
  },
  "all attributes that it can have, set and cleared": async (bench) => {
    const cookie = { sameSite: "None", partitioned: true, maxAge: "30d" } as const;
    const client = await bench.serve({}, { cookie });
    const login = await client.post("/login");
    const attributes = "Path=/; Secure; HttpOnly; SameSite=None; Partitioned";
    assert.deepEqual(login.lines("set-cookie"), [
      `__Host-sid=${login.body}; Max-Age=2592000; ${attributes}`,
    ]);
    const out = await client.post("/logout", "Cookie", `__Host-sid=${login.body}`);
    assert.deepEqual(out.lines("set-cookie"), [`__Host-sid=; Max-Age=0; ${attributes}`]);
  },
  "a plain read sets none, and costs one call of the store": async (bench) => {
    const client = await bench.serve({});
    const cookie = await client.logIn();
    bench.store.calls.length = 0;
    const me = await client.get("/me", ...cookie);
    assert.deepEqual([me.status, me.lines("set-cookie")], [200, []]);
    assert.deepEqual(bench.store.calls, ["load"]);
    assertPrivate(me);
  },
  "a visitor who only reads gets none, and the store is not asked": async (bench) => {
    const client = await bench.serve({});
    const answer = await client.get("/data");
    assert.deepEqual([answer.status, answer.body, answer.lines("set-cookie")], [200, "{}", []]);
    assert.deepEqual(bench.store.calls, []);
    assertPrivate(answer);
  },
  "a visitor who leaves something gets one, and finds it again": async (bench) => {
    const client = await bench.serve({
      "/leave": {
        handle: ({ data }) => {
          data["cart"] = ["a"];
          return { status: 303, headers: { Location: "/data" } };
        },
      },
    });
    const left = await client.post("/leave");
    const [line = "", ...more] = left.lines("set-cookie");
    assert.deepEqual([left.status, left.lines("location"), more], [303, ["/data"], []]);
    const cookie = ["Cookie", line.slice(0, line.indexOf(";"))];
    assert.deepEqual(await client.data(cookie), { cart: ["a"] });
  },
  "a rotation sets it; data stays, the old one works for requests under way": async (bench) => {
    const client = await bench.serve({
      "/rotate": {
        handle: async (session) => {
          session.data["kept"] = true;
          return { body: (await session.rotate())?.token ?? "" };
        },
      },
    });
    const cookie = await client.logIn();
    const [rotated, ...others] = await Promise.all([
      client.post("/rotate", ...cookie),
      ...Array.from({ length: 9 }, () => client.get("/me", ...cookie)),
    ]);
    assert.deepEqual(
      others.map(({ status }) => status),
      others.map(() => 200),
    );
    const [line = ""] = rotated.lines("set-cookie");
    assert.equal(line, `__Host-sid=${rotated.body}; Path=/; Secure; HttpOnly; SameSite=Lax`);
    assert.deepEqual(await client.data(["Cookie", `__Host-sid=${rotated.body}`]), { kept: true });
  },
  "a login over another session ends that; a planted token is not adopted": async (bench) => {
    const client = await bench.serve({});
    const before = await client.logIn();
    const after = await client.post("/login", ...before);
    assert.notEqual(before[1], `__Host-sid=${after.body}`);
    assert.equal((await client.get("/me", ...before)).status, 401);
    const planted = `${"p".repeat(24)}.${"p".repeat(32)}`;
    const login = await client.post("/login", "Cookie", `__Host-sid=${planted}`);
    assert.notEqual(login.body, planted);
    assert.equal((await client.get("/me", "Cookie", `__Host-sid=${planted}`)).status, 401);
  },
  "a logout clears it with the same attributes, and ends the session": async (bench) => {
    const client = await bench.serve({});
    const cookie = await client.logIn();
    const out = await client.post("/logout", ...cookie);
    assert.deepEqual([out.status, out.body, out.lines("set-cookie")], [204, "", [CLEARED]]);
    assert.equal((await client.get("/me", ...cookie)).status, 401);
    const again = await client.post("/logout", ...cookie);
    assert.deepEqual([again.status, again.lines("set-cookie")], [204, [CLEARED]]);
    const nobody = await client.post("/logout");
    assert.deepEqual([nobody.status, nobody.lines("set-cookie")], [204, []]);
  },
  "of several changes in one response the last decides, and there is one line": async (bench) => {
    const client = await bench.serve({
      "/all": {
        handle: async (session) => {
          await session.login("ada");
          await session.rotate();
          await session.login("bob");
          return { body: (await session.rotate({ grace: false }))?.token ?? "" };
        },
      },
      "/in-and-out": {
        handle: async (session) => {
          await session.login("bob");
          await session.logout();
          return {};
        },
      },
    });
    const all = await client.post("/all");
    assert.deepEqual(all.lines("set-cookie"), [
      `__Host-sid=${all.body}; Path=/; Secure; HttpOnly; SameSite=Lax`,
    ]);
    const out = await client.post("/in-and-out", ...(await client.logIn()));
    assert.deepEqual(out.lines("set-cookie"), [CLEARED]);
  },
  "the application's own cookies stay, also one whose name begins the same": async (bench) => {
    const own = ["__Host-sid2=x", "theme=dark; Path=/"];
    const client = await bench.serve({
      "/own": {
        handle: async (session) => {
          const { token } = await session.login("ada");
          return { headers: { "Set-Cookie": own }, body: token };
        },
      },
    });
    const answer = await client.post("/own");
    const lines = answer.lines("set-cookie");
    assert.deepEqual([...lines].sort(), [
      `__Host-sid2=x`,
      `__Host-sid=${answer.body}; Path=/; Secure; HttpOnly; SameSite=Lax`,
      "theme=dark; Path=/",
    ]);
  },
  "a login by header sets none, and its token works as header and bearer": async (bench) => {
    const client = await bench.serve({
      "/token": {
        handle: async (session) => ({
          body: (await session.login("ada", { transport: "header" })).token,
        }),
      },
    });
    const { body, lines } = await client.post("/token");
    assert.deepEqual(lines("set-cookie"), []);
    for (const header of [
      ["x-session-id", body],
      ["Authorization", `Bearer ${body}`],
    ]) {
      assert.equal((await client.get("/me", ...header)).body, "ada");
    }
  },
  "one that cannot arrive is warned of, once": async (bench) => {
    const codes: string[] = [];
    const client = await bench.serve({}, { warn: ({ code }) => codes.push(code) });
    await client.post("/login");
    assert.deepEqual(codes, []);
    for (let i = 0; i < 3; i++) await client.post("/login", "Host", "app.example.com");
    assert.deepEqual(codes, ["secure-cookie-on-http"]);
  },
};

export const HEAD: Record<string, AdapterCheck> = {
  "no-store wins, and Vary is merged, whatever the application says": async (bench) => {
    const client = await bench.serve({
      "/public": {
        handle: () => ({
          headers: { "Cache-Control": "public, max-age=60", Vary: "Accept-Encoding, cookie" },
          body: "x",
        }),
      },
      "/private": { handle: () => ({ headers: { "Cache-Control": "private, max-age=0" } }) },
    });
    const shared = await client.get("/public");
    assert.deepEqual(shared.lines("cache-control"), ["no-store"]);
    assert.deepEqual(shared.lines("vary"), [
      "Accept-Encoding, cookie, Authorization, X-Session-Id",
    ]);
    const own = await client.get("/private");
    assert.deepEqual(own.lines("cache-control"), ["no-store, private"]);
  },
  "on every status, refusals included": async (bench) => {
    const client = await bench.serve({ "/teapot": { handle: () => ({ status: 418 }) } });
    assertPrivate(await client.get("/teapot"));
    assertPrivate(await client.get("/me"));
    assertPrivate(await client.get("/me", "x-session-id", "bad"));
    assertPrivate(await client.post("/me", "Sec-Fetch-Site", "cross-site"));
    const cookie = await client.logIn();
    bench.store.isDown = true;
    const down = await client.get("/me", ...cookie);
    assert.equal(down.status, 503);
    assertPrivate(down);
  },
  "HEAD has no body, and saves as GET does": async (bench) => {
    const client = await bench.serve({
      "/seen": {
        handle: ({ data }) => {
          data["seen"] = true;
          return { body: "seen" };
        },
      },
    });
    const cookie = await client.logIn();
    const answer = await client.send("/seen", { method: "HEAD", headers: cookie });
    assert.deepEqual([answer.status, answer.body], [200, ""]);
    assertPrivate(answer);
    assert.deepEqual(await client.data(cookie), { seen: true });
  },
  "304 has no body and no cookie, and says no-store": async (bench) => {
    const client = await bench.serve({
      "/tagged": { handle: () => ({ status: 304, headers: { ETag: '"1"' } }) },
    });
    const cookie = await client.logIn();
    const answer = await client.get("/tagged", ...cookie, "If-None-Match", '"1"');
    assert.deepEqual([answer.status, answer.body, answer.lines("set-cookie")], [304, "", []]);
    assert.deepEqual(answer.lines("etag"), ['"1"']);
    assertPrivate(answer);
  },
};
