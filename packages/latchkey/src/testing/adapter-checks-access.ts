/** Who gets in through an adapter: which credential counts, what guards answer, what is forged. */
import assert from "node:assert/strict";
import { type AdapterCheck, type Client, problemIn, type Route } from "./adapter-harness.ts";

export const CREDENTIAL: Record<string, AdapterCheck> = {
  "the first present of header, bearer and cookie decides alone": async (bench) => {
    const { client, token, other } = await two(bench);
    const cookie = ["Cookie", `__Host-sid=${token}`];
    const cases: [readonly string[], string | undefined][] = [
      [["x-session-id", other, ...cookie], "bob"],
      [["Authorization", `Bearer ${other}`, ...cookie], "bob"],
      [["x-session-id", token, "Authorization", `Bearer ${other}`], "ada"],
      [["x-session-id", "bad", ...cookie], undefined],
      [["x-session-id", "", ...cookie], undefined],
      [["Authorization", "Bearer bad", ...cookie], undefined],
      [["Authorization", "Bearer", ...cookie], undefined],
      [["x-session-id", "bad", "Authorization", `Bearer ${token}`], undefined],
      [["Authorization", `Basic ${token}`], undefined],
      [["Authorization", "Basic x", ...cookie], "ada"],
    ];
    for (const [headers, user] of cases) {
      const answer = await client.get("/me", ...headers);
      const seen = answer.status === 200 ? answer.body : undefined;
      assert.equal(seen, user, headers.join(" ").replaceAll(token, "A").replaceAll(other, "B"));
    }
  },
  "a duplicate is refused, in both orders": async (bench) => {
    const { client, token, other } = await two(bench);
    for (const [a, b] of [
      [token, other],
      [other, token],
      [token, token],
    ]) {
      const name = "__Host-sid";
      for (const headers of [
        ["x-session-id", a, "X-Session-Id", b],
        ["Authorization", `Bearer ${a}`, "authorization", `Bearer ${b}`],
        ["Cookie", `${name}=${a}; ${name}=${b}`],
        ["Cookie", `${name}=${a}`, "Cookie", `${name}=${b}`],
      ]) {
        const answer = await client.get("/me", ...headers.map(String));
        // Node itself may refuse some of these.
        assert.ok([400, 401].includes(answer.status), headers[0]);
      }
    }
  },
  "what is no token is 401, and the store is not asked": async (bench) => {
    const { client, token } = await two(bench);
    bench.store.calls.length = 0;
    const malformed = [
      ...["A", "*", "../x", "{x}", "[a-z]", "%41".repeat(19), `${token}x`, token.slice(1)],
      ...[`${token.slice(0, 24)}:${token.slice(25)}`, token.slice(0, 24), "\xe9".repeat(57)],
      ...[`${token},${token}`, `${token} ${token}`, `"${token}"`, "A".repeat(10_000)],
    ];
    for (const text of malformed) {
      for (const headers of [
        ["x-session-id", text],
        ["Authorization", `Bearer ${text}`],
        ["Cookie", `__Host-sid=${text}`],
      ]) {
        const answer = await client.get("/me", ...headers);
        assert.equal(answer.status, 401, `${headers[0]}: ${text.slice(0, 20)}`);
        assert.equal(problemIn(answer)["message"], "Invalid session");
      }
    }
    assert.deepEqual(bench.store.calls, []);
  },
  "what only looks like the cookie is not seen as it": async (bench) => {
    const { client, token } = await two(bench);
    bench.store.calls.length = 0;
    const name = "__Host-sid";
    const lookalikes = [
      `\xa0${name}=${token}`,
      `\xe2\x80\x80${name}=${token}`,
      `\xe2\x80\xa8${name}=${token}`,
      `\x85${name}=${token}`,
      `=${name}=${token}`,
      `${name.toLowerCase()}=${token}`,
      `x${name}=${token}`,
      `$Version=1; ${name}="${token}"`,
      `${name}="${token}"`,
      `$${name}=${token}`,
      `__%48ost-sid=${token}`,
      `a=1, ${name}=${token}`,
      `${name}`,
    ];
    for (const line of lookalikes) {
      const answer = await client.get("/me", "Cookie", line);
      assert.equal(answer.status, 401, JSON.stringify(line.replace(token, "T")));
    }
    assert.deepEqual(bench.store.calls, []);
    for (const line of [
      `a=1; ${name}=${token}`,
      `\t ${name} \t=\t${token} ;b=2`,
      `$Version=1; ${name}=${token}`,
      `a="x; ${name}=${token}`,
    ]) {
      assert.equal((await client.get("/me", "Cookie", line)).body, "ada", line.slice(0, 12));
    }
  },
  "nothing but headers is a credential": async (bench) => {
    const { client, token } = await two(bench);
    const query = `sessionId=${token}&__Host-sid=${token}&x-session-id=${token}`;
    assert.equal((await client.get(`/me?${query}`)).status, 401);
    const body = JSON.stringify({ sessionId: token, token });
    const headers = ["Content-Type", "application/json"];
    const answer = await client.send("/me", { method: "POST", headers, body });
    assert.equal(answer.status, 401);
  },
  "headers named like parts of every object do no harm": async (bench) => {
    const { client, token } = await two(bench);
    for (const name of ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty"]) {
      const answer = await client.get("/me", name, "x", "Cookie", `__Host-sid=${token}`);
      assert.equal(answer.body, "ada", name);
      const cookie = `${name}=1; __Host-sid=${token}; ${name}=2`;
      assert.equal((await client.get("/me", "Cookie", cookie)).body, "ada", name);
    }
  },
};

export const GUARD: Record<string, AdapterCheck> = {
  "requireSession: 401 with the problem document, and the handler does not run": async (bench) => {
    let runs = 0;
    const client = await bench.serve({
      "/guarded": {
        requires: "session",
        handle: () => {
          runs++;
          return {};
        },
      },
    });
    const answer = await client.get("/guarded");
    assert.deepEqual([answer.status, runs], [401, 0]);
    assert.deepEqual(answer.lines("www-authenticate"), ["Session"]);
    assert.deepEqual(problemIn(answer), {
      ...{ title: "Invalid session", status: 401, code: "invalid_session" },
      message: "Invalid session",
    });
    await client.get("/guarded", ...(await client.logIn()));
    assert.equal(runs, 1);
  },
  "requireFresh: a login of just now passes, one of longer ago is 403, none is 401": async (
    bench,
  ) => {
    const fresh = (maxAge: "10m" | "1ms"): Route => ({
      requires: { maxAge },
      handle: () => ({ body: "fresh" }),
    });
    const client = await bench.serve({ "/fresh": fresh("10m"), "/now": fresh("1ms") });
    assert.equal((await client.get("/fresh")).status, 401);
    const cookie = await client.logIn();
    assert.equal((await client.get("/fresh", ...cookie)).body, "fresh");
    // Each request takes its time; a millisecond is over after a few.
    let answer = await client.get("/now", ...cookie);
    for (let i = 0; i < 1_000 && answer.status === 200; i++) {
      answer = await client.get("/now", ...cookie);
    }
    assert.deepEqual([answer.status, problemIn(answer)["code"]], [403, "reauth_required"]);
    const again = await client.post("/login", ...cookie);
    const next = await client.get("/fresh", "Cookie", `__Host-sid=${again.body}`);
    assert.equal(next.body, "fresh");
  },
};

/** Rows: `Sec-Fetch-Site`. Columns: `Origin` of our own, trusted, of another site, none. */
const TABLE: readonly (readonly [string | undefined, readonly number[]])[] = [
  ["same-origin", [200, 200, 200, 200]],
  ["none", [200, 200, 200, 200]],
  ["same-site", [403, 200, 403, 403]],
  ["cross-site", [403, 200, 403, 403]],
  ["nonsense", [403, 200, 403, 403]],
  [undefined, [200, 200, 403, 200]],
];
const TRUSTED = "https://login.example.com";

export const CSRF: Record<string, AdapterCheck> = {
  "the table of 24: site and origin of a POST with the cookie": async (bench) => {
    const { client, token } = await two(bench, [TRUSTED]);
    const origins = [`http://localhost:${client.port}`, TRUSTED, "https://evil.example", undefined];
    for (const [site, statuses] of TABLE) {
      for (const [i, status] of statuses.entries()) {
        const headers = ["Cookie", `__Host-sid=${token}`];
        if (site !== undefined) headers.push("Sec-Fetch-Site", site);
        if (origins[i] !== undefined) headers.push("Origin", origins[i]);
        const answer = await client.post("/me", ...headers);
        assert.equal(answer.status, status, `${site} from ${origins[i]}`);
        if (status === 403) assert.equal(problemIn(answer)["code"], "csrf");
      }
    }
  },
  "an Origin that only looks like ours, from a browser that says nothing else": async (bench) => {
    const { client, token } = await two(bench);
    const cookie = ["Cookie", `__Host-sid=${token}`, "Host", "app.example.com"];
    const own = ["https://app.example.com"];
    const others = [
      ...["null", "http://app.example.com", "https://app.example.com:8443", "app.example.com"],
      ...["https://app.example.com.evil.example", "https://evil.example/https://app.example.com"],
    ];
    for (const origin of [...own, ...others]) {
      const answer = await client.post("/me", ...cookie, "Origin", origin);
      assert.equal(answer.status, own.includes(origin) ? 200 : 403, origin);
    }
  },
  "every unsafe method and every content type; no safe method": async (bench) => {
    const { client, token } = await two(bench);
    const cookie = ["Cookie", `__Host-sid=${token}`, "Sec-Fetch-Site", "cross-site"];
    for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
      const types = ["application/json", "text/plain", "application/x-www-form-urlencoded"];
      for (const type of [...types, "multipart/form-data; boundary=x"]) {
        const wishes = { method, headers: [...cookie, "Content-Type", type], body: "{}" };
        assert.equal((await client.send("/me", wishes)).status, 403, `${method} ${type}`);
      }
    }
    assert.equal((await client.get("/me", ...cookie)).status, 200);
  },
  "a forged request changes nothing: not in, not out, nothing left behind": async (bench) => {
    const { client, token } = await two(bench);
    const forged = ["Cookie", `__Host-sid=${token}`, "Origin", "https://evil.example"];
    bench.store.calls.length = 0;
    for (const path of ["/try-login", "/try-logout", "/leave"]) {
      const answer = await client.post(path, ...forged);
      assert.deepEqual([answer.status, answer.lines("set-cookie")], [403, []], path);
    }
    assert.deepEqual(bench.store.calls, []);
    assert.equal((await client.get("/me", "Cookie", `__Host-sid=${token}`)).body, "ada");
  },
  "a request with a header for credential is none, be that good or bad": async (bench) => {
    const { client, token } = await two(bench);
    const elsewhere = ["Sec-Fetch-Site", "cross-site", "Cookie", `__Host-sid=${token}`];
    assert.equal((await client.post("/me", "x-session-id", token, ...elsewhere)).status, 200);
    assert.equal((await client.post("/me", "x-session-id", "bad", ...elsewhere)).status, 401);
  },
};

/** Two users, and routes that try what a forged request must not do. */
async function two(bench: Parameters<AdapterCheck>[0], trustedOrigins: readonly string[] = []) {
  const client: Client = await bench.serve(
    {
      "/bob": {
        handle: async (session) => ({
          body: (await session.login("bob", { transport: "header" })).token,
        }),
      },
      "/try-login": { handle: (session) => refused(session.login("eve")) },
      "/try-logout": { handle: (session) => refused(session.logout()) },
      "/leave": {
        handle: ({ data }) => {
          data["left"] = true;
          return {};
        },
      },
    },
    { trustedOrigins },
  );
  const token = (await client.post("/login")).body;
  const other = (await client.post("/bob")).body;
  return { client, token, other };
}

async function refused(verb: Promise<unknown>) {
  try {
    await verb;
    return { status: 200 };
  } catch (error) {
    return { status: error instanceof Error && "status" in error ? Number(error.status) : 500 };
  }
}
