/** What an adapter answers where a handler, a session, the store or the client is gone. */
import assert from "node:assert/strict";
import { isSessionError } from "../core/errors.ts";
import { type AdapterCheck, problemIn } from "./adapter-harness.ts";
import { chunks, latch, sets, turns } from "./adapter-steps.ts";

export const FAULT: Record<string, AdapterCheck> = {
  "a handler that throws is a 500 without cookie, and nothing is saved": async (bench) => {
    const client = await bench.serve({
      "/throw": {
        handle: async ({ data }) => {
          data["half"] = true;
          throw new Error("on purpose");
        },
      },
    });
    const cookie = await client.logIn();
    const answer = await client.post("/throw", ...cookie);
    assert.deepEqual([answer.status, answer.lines("set-cookie")], [500, []]);
    assert.deepEqual(await client.data(cookie), {});
  },
  "a response of 500 or above saves nothing, unless the handler commits": async (bench) => {
    const client = await bench.serve({
      "/fails": sets("a", 500),
      "/commits": {
        handle: async (session) => {
          session.data["b"] = true;
          await session.commit();
          return { status: 503 };
        },
      },
      "/refuses": sets("c", 409),
    });
    const cookie = await client.logIn();
    for (const path of ["/fails", "/commits", "/refuses"]) await client.post(path, ...cookie);
    assert.deepEqual(await client.data(cookie), { b: true, c: true });
  },
  "a cookie goes with what happened to the session, also if the handler fails later": async (
    bench,
  ) => {
    const client = await bench.serve({
      "/out": {
        handle: async (session) => {
          await session.logout();
          throw new Error("on purpose");
        },
      },
    });
    const answer = await client.post("/out", ...(await client.logIn()));
    assert.equal(answer.status, 500);
    assert.equal(answer.lines("set-cookie").length, bench.seesErrors ? 1 : 0);
  },
  "a session that ended meanwhile: 401 in place of the answer, and it stays ended": async (
    bench,
  ) => {
    const client = await bench.serve({
      "/slow": {
        handle: async (session) => {
          await client.sessions.revoke(session.sid ?? "");
          session.data["a"] = 1;
          return { headers: { "X-Own": "1", ETag: '"1"' }, body: "all is well" };
        },
      },
    });
    const cookie = await client.logIn();
    const answer = await client.post("/slow", ...cookie);
    assert.deepEqual([answer.status, problemIn(answer)["code"]], [401, "invalid_session"]);
    assert.deepEqual([answer.lines("set-cookie"), answer.lines("etag")], [[], []]);
    assert.equal((await client.get("/me", ...cookie)).status, 401);
    assert.deepEqual(await client.sessions.list("ada"), []);
  },
  "a handler that commits sees it as a value, and answers as it likes": async (bench) => {
    const client = await bench.serve({
      "/slow": {
        handle: async (session) => {
          await client.sessions.revoke(session.sid ?? "");
          session.data["a"] = 1;
          return { status: 409, body: await session.commit() };
        },
      },
    });
    const answer = await client.post("/slow", ...(await client.logIn()));
    assert.deepEqual([answer.status, answer.body], [409, "gone"]);
  },
  "a logout during a slow request is not undone by it, whether it writes or reads": async (
    bench,
  ) => {
    for (const isWriting of [true, false]) {
      const [begun, goOn] = [latch(), latch()];
      const client = await bench.serve({
        "/slow": {
          handle: async (session) => {
            begun.open();
            await goOn.opened;
            if (isWriting) session.data["a"] = 1;
            return { body: session.user ?? "" };
          },
        },
      });
      const cookie = await client.logIn();
      const slow = client.post("/slow", ...cookie);
      await begun.opened;
      await client.post("/logout", ...cookie);
      goOn.open();
      assert.equal((await slow).status, isWriting ? 401 : 200);
      assert.equal((await client.get("/me", ...cookie)).status, 401);
    }
  },
  "a store that cannot say: 503 and not 401, the cookie stays, and it works again": async (
    bench,
  ) => {
    const client = await bench.serve({});
    const cookie = await client.logIn();
    bench.store.isDown = true;
    const answer = await client.get("/me", ...cookie);
    assert.deepEqual([answer.status, problemIn(answer)["code"]], [503, "store_unavailable"]);
    assert.deepEqual([answer.lines("retry-after"), answer.lines("set-cookie")], [["1"], []]);
    bench.store.isDown = false;
    assert.equal((await client.get("/me", ...cookie)).body, "ada");
  },
  "a store that cannot save: 503 in place of the answer": async (bench) => {
    const client = await bench.serve({
      "/save": {
        handle: ({ data }) => {
          data["a"] = 1;
          bench.store.isDown = true;
          return { headers: { "Content-Type": "text/html", ETag: '"1"' }, body: "saved!" };
        },
      },
      "/stream": {
        handle: ({ data }) => {
          data["a"] = 1;
          bench.store.isDown = true;
          return { body: chunks(["saved!"]) };
        },
      },
    });
    const cookie = await client.logIn();
    for (const path of ["/save", "/stream"]) {
      const answer = await client.post(path, ...cookie);
      bench.store.isDown = false;
      const { code, message } = problemIn(answer);
      assert.deepEqual([answer.status, code], [503, "store_unavailable"]);
      assert.equal(message, "Sessions cannot be checked right now");
      assert.deepEqual([answer.lines("retry-after"), answer.lines("etag")], [["1"], []]);
      assert.deepEqual(await client.data(cookie), {});
    }
  },
  "a logout that the store cannot do rejects, and clears the cookie all the same": async (
    bench,
  ) => {
    const client = await bench.serve({
      "/out": {
        handle: async (session) => {
          bench.store.isDown = true;
          const code = await failure(session.logout());
          return { status: code === "store-unavailable" ? 503 : 200 };
        },
      },
    });
    const answer = await client.post("/out", ...(await client.logIn()));
    assert.equal(answer.status, 503);
    assert.match(answer.lines("set-cookie")[0] ?? "", /^__Host-sid=; Max-Age=0; /);
  },
  "an error of the session that nobody catches is a 403 or 503, and no 500": async (bench) => {
    const client = await bench.serve({
      "/down": {
        handle: async (session) => {
          bench.store.isDown = true;
          await session.login("bob");
          return {};
        },
      },
    });
    const cookie = await client.logIn();
    const forged = await client.post("/logout", ...cookie, "Sec-Fetch-Site", "cross-site");
    assert.equal(forged.status, 403);
    assert.equal((await client.post("/down", ...cookie)).status, 503);
  },
  "data that is no JSON any more is a 4xx or 5xx, not a 200": async (bench) => {
    const client = await bench.serve(
      {
        "/bad": {
          handle: ({ data }) => {
            data["list"] = [];
            (data["list"] as unknown[]).push(1n);
            return { body: "saved!" };
          },
        },
      },
      { warn: () => {} },
    );
    const cookie = await client.logIn();
    const answer = await client.post("/bad", ...cookie);
    assert.ok(answer.status >= 400, String(answer.status));
    assert.doesNotMatch(answer.body, /saved!/);
    assert.deepEqual(await client.data(cookie), {});
  },
  "a client that goes away before the answer: what the handler did is kept": async (bench) => {
    const [begun, goOn] = [latch(), latch()];
    const client = await bench.serve({
      "/slow": {
        handle: async ({ data }) => {
          begun.open();
          await goOn.opened;
          data["a"] = 1;
          return { body: "done" };
        },
      },
    });
    const cookie = await client.logIn();
    const request = client.begin("/slow", { method: "POST", headers: cookie });
    request.on("error", () => {});
    await begun.opened;
    request.destroy();
    await new Promise((resolve) => request.once("close", resolve));
    const save = bench.store.hold();
    goOn.open();
    await save.entered;
    save.open();
    await turns();
    assert.deepEqual(await client.data(cookie), { a: 1 });
  },
};

async function failure(verb: Promise<void>): Promise<string | undefined> {
  try {
    await verb;
    return undefined;
  } catch (error) {
    return isSessionError(error) ? error.code : "none of ours";
  }
}
