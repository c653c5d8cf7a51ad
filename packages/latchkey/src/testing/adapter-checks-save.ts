/** When an adapter saves what a handler changed: before the head leaves, and not behind its back. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AdapterCheck } from "./adapter-harness.ts";
import { chunks, endless, latch, sets, turns } from "./adapter-steps.ts";

export const SAVE: Record<string, AdapterCheck> = {
  "what a handler changed is there for the next request": async (bench) => {
    const client = await bench.serve({ "/a": sets("a") });
    const cookie = await client.logIn();
    bench.store.calls.length = 0;
    const answer = await client.post("/a", ...cookie);
    assert.deepEqual([answer.status, answer.body, answer.lines("set-cookie")], [200, "a", []]);
    assert.deepEqual(bench.store.calls, ["load", "update"]);
    assert.deepEqual(await client.data(cookie), { a: true });
  },
  "nothing of a response leaves before it is saved; a redirect does not overtake it": async (
    bench,
  ) => {
    const client = await bench.serve({ "/go": sets("went", 303, { Location: "/data" }) });
    const cookie = await client.logIn();
    const order: string[] = [];
    const gate = bench.store.hold();
    // The first call is the load, the second one the save.
    const going = client.post("/go", ...cookie).then((answer) => {
      order.push("answered");
      return answer;
    });
    await gate.entered;
    const save = bench.store.hold();
    gate.open();
    await save.entered;
    await turns();
    order.push("saved");
    save.open();
    const answer = await going;
    assert.deepEqual(order, ["saved", "answered"]);
    assert.deepEqual([answer.status, answer.lines("location")], [303, ["/data"]]);
    assert.deepEqual(await client.data(cookie), { went: true });
  },
  "many requests at once that set different fields all win": async (bench) => {
    const names = Array.from({ length: 20 }, (_, i) => `field${i}`);
    const client = await bench.serve(Object.fromEntries(names.map((n) => [`/${n}`, sets(n)])));
    const cookie = await client.logIn();
    await Promise.all(names.map((name) => client.post(`/${name}`, ...cookie)));
    const expected = Object.fromEntries(names.map((name) => [name, true]));
    assert.deepEqual(await client.data(cookie), expected);
  },
  "a commit of the handler's own writes once, and tells what came of it": async (bench) => {
    const outcomes: unknown[] = [];
    const client = await bench.serve({
      "/commit": {
        handle: async (session) => {
          session.data["a"] = 1;
          outcomes.push(await session.commit(), await session.commit());
          return {};
        },
      },
    });
    const cookie = await client.logIn();
    bench.store.calls.length = 0;
    assert.equal((await client.post("/commit", ...cookie)).status, 200);
    assert.deepEqual(outcomes, ["updated", "unchanged"]);
    assert.deepEqual(bench.store.calls, ["load", "update"]);
  },
  "a conflict that the handler was told of is not written over": async (bench) => {
    const client = await bench.serve({
      "/first": {
        handle: async (session) => {
          session.data["n"] = 2;
          await client.post("/second", ...cookie);
          return { body: await session.commit({ ifUnchanged: true }) };
        },
      },
      "/second": sets("n"),
    });
    const cookie = await client.logIn();
    assert.equal((await client.post("/first", ...cookie)).body, "conflict");
    assert.deepEqual(await client.data(cookie), { n: true });
  },
  "requests at once that count up, and come again after a conflict, lose nothing": async (
    bench,
  ) => {
    const client = await bench.serve({
      "/count": {
        handle: async (session) => {
          session.data["n"] = Number(session.data["n"] ?? 0) + 1;
          const outcome = await session.commit({ ifUnchanged: true });
          return { status: outcome === "conflict" ? 409 : 200 };
        },
      },
    });
    const cookie = await client.logIn();
    const countUp = async (): Promise<void> => {
      while ((await client.post("/count", ...cookie)).status === 409);
    };
    await Promise.all(Array.from({ length: 20 }, countUp));
    assert.deepEqual(await client.data(cookie), { n: 20 });
  },
  "readOnly: nothing is written, and nothing can be changed": async (bench) => {
    const errors: unknown[] = [];
    const client = await bench.serve({});
    const cookie = await client.logIn();
    const note = (error: unknown): number => errors.push(error);
    const reader = await bench.serve(
      {
        "/try": {
          handle: async (session) => {
            try {
              session.data["a"] = 1;
            } catch (error) {
              note(error);
            }
            for (const verb of [session.login("bob"), session.rotate(), session.logout()]) {
              await verb.catch(note);
            }
            return { body: session.user ?? "" };
          },
        },
      },
      {},
      { readOnly: true },
    );
    bench.store.calls.length = 0;
    const answer = await reader.post("/try", ...cookie);
    assert.deepEqual([answer.body, answer.lines("set-cookie")], ["ada", []]);
    assert.deepEqual([errors.length, bench.store.calls], [4, ["load"]]);
  },
};

export const STREAM: Record<string, AdapterCheck> = {
  "what is changed before the first byte is saved before it": async (bench) => {
    const client = await bench.serve({
      "/stream": {
        handle: ({ data }) => {
          data["begun"] = true;
          return { body: chunks(["a", "b", "c"]) };
        },
      },
    });
    const cookie = await client.logIn();
    const response = await client.open("/stream", { method: "POST", headers: cookie });
    // The head is here, and the rest is not read yet.
    assert.deepEqual(await client.data(cookie), { begun: true });
    let body = "";
    for await (const chunk of response) body += chunk;
    assert.equal(body, "abc");
  },
  "what is changed later needs a commit, and gets one": async (bench) => {
    const client = await bench.serve({
      "/late": {
        handle: (session) => ({
          body: chunks(["a", "b"], async () => {
            session.data["late"] = true;
            assert.equal(await session.commit(), "updated");
          }),
        }),
      },
    });
    const cookie = await client.logIn();
    assert.equal((await client.get("/late", ...cookie)).body, "ab");
    assert.deepEqual(await client.data(cookie), { late: true });
  },
  "once it has begun, a login by cookie is refused, and begins nothing": async (bench) => {
    const codes: unknown[] = [];
    const client = await bench.serve({
      "/late": {
        handle: (session) => ({
          body: chunks(["a", "b"], async () => {
            await session.login("bob").catch((error) => codes.push(error.code));
          }),
        }),
      },
    });
    const answer = await client.get("/late");
    assert.deepEqual([answer.body, answer.lines("set-cookie")], ["ab", []]);
    assert.deepEqual(codes, ["response-sent"]);
    assert.deepEqual(await client.sessions.list("bob"), []);
  },
  "a client that goes away while it streams takes nothing down": async (bench) => {
    const over = latch();
    const client = await bench.serve({
      "/endless": {
        handle: ({ data }) => {
          data["begun"] = true;
          return { body: endless(over.open) };
        },
      },
    });
    const cookie = await client.logIn();
    const response = await client.open("/endless", { headers: cookie });
    await once(response, "data");
    response.destroy();
    await over.opened;
    assert.deepEqual(await client.data(cookie), { begun: true });
  },
};
