/** `GET /auth/events` of two servers on one Redis, as a page and a proxy see it. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { STREAMS_PER_SESSION_MAX } from "../apps/server/src/live/live-sessions.ts";
import { type Listening, listen } from "./support/event-stream.ts";
import { credential, json, login, logout, postLogin } from "./support/http.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { connectResp, type Resp } from "./support/resp.ts";
import { startServer, type TestServer } from "./support/server.ts";
import { until } from "./support/until.ts";

let redis: TestRedis;
let resp: Resp;
let a: TestServer;
let b: TestServer;

beforeAll(async () => {
  redis = await startRedis();
  resp = await connectResp(redis.port);
  const env = { REDIS_URL: redis.url };
  [a, b] = await Promise.all([startServer({ env }), startServer({ env })]);
});

afterAll(async () => {
  resp?.close();
  await a?.stop();
  await b?.stop();
  await redis?.stop();
});

describe("a stream", () => {
  test("is for no cache and no buffer, and says when to come back", async () => {
    const stream = await follow(a, await login(a, "ada"));
    expect(Object.fromEntries(stream.headers)).toMatchObject({
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
      vary: "Cookie, Authorization, X-Session-Id",
    });
    await until(() => stream.text() !== "");
    expect(stream.text()).toBe("retry: 2000\n\n");
    expect(stream.headers.get("set-cookie")).toBeNull();
    stream.leave();
  });

  test("opens with the cookie of a page", async () => {
    const answer = await postLogin(a, { username: "ada", transport: "cookie" });
    const cookie = answer.headers.getSetCookie()[0]?.split(";")[0] ?? "";
    const stream = await listen(`${a.url}/auth/events`, { cookie });
    await logout(a, String((await json(answer))["sessionId"]));
    expect(await stream.ended()).toEqual([{ event: "ended", data: { reason: "ended" } }]);
  });

  // The naive version gave a sibling host, whose requests have the cookie, all streams of the session.
  test("is not for a page of another site", async () => {
    const id = await login(a, "ada");
    const from = (site: string) =>
      fetch(`${a.url}/auth/events`, {
        method: "HEAD",
        headers: { ...credential(id), "sec-fetch-site": site },
      });
    expect((await from("same-site")).status).toBe(403);
    expect((await from("same-origin")).status).toBe(200);
  });

  // END-10
  test("ends with its session, wherever that is ended", async () => {
    for (const server of [a, b]) {
      const id = await login(a, "ada");
      const stream = await follow(a, id);
      await logout(server, id);
      expect(await stream.ended()).toEqual([{ event: "ended", data: { reason: "ended" } }]);
      expect(stream.end()).toBe("closed");
      expect((await get(a, id)).status).toBe(401);
    }
  });

  test("ends when somebody deletes the key by hand", async () => {
    const id = await login(a, "ada");
    const stream = await follow(a, id);
    await resp.command("DEL", `session:${id}`);
    expect(await stream.ended()).toEqual([{ event: "ended", data: { reason: "ended" } }]);
  });

  test("hears that the end is near, in the time of the server", async () => {
    const id = await login(a, "ada");
    const stream = await follow(a, id);
    const until60s = new Date(Date.now() + 60_000);
    await resp.command("PEXPIREAT", `session:${id}`, String(until60s.getTime()));
    await until(() => stream.heard().length > 0);
    expect(stream.heard()).toEqual([
      { event: "expiring", data: { expiresAt: until60s.toISOString() } },
    ]);
    stream.leave();
  });
});

describe("no stream", () => {
  test.each([undefined, "A".repeat(24), "*"])("without a live session: %s", async (id) => {
    const answer = await get(a, id);
    expect(answer.status).toBe(401);
    expect((await json(answer))["code"]).toBe("invalid_session");
  });

  test("for a HEAD, but the head of one", async () => {
    const headers = credential(await login(a, "ada"));
    const answer = await fetch(`${a.url}/auth/events`, { method: "HEAD", headers });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  });

  test("for another method", async () => {
    const answer = await fetch(`${a.url}/auth/events`, { method: "POST" });
    expect(answer.status).toBe(405);
    expect(answer.headers.get("allow")).toBe("GET, HEAD");
  });

  test("for the eleventh of a session", async () => {
    const id = await login(a, "ada");
    const streams: Listening[] = [];
    for (let i = 0; i < STREAMS_PER_SESSION_MAX; i++) streams.push(await follow(a, id));
    const answer = await get(a, id);
    expect(answer.status).toBe(429);
    expect((await json(answer))["code"]).toBe("throttled");
    await logout(b, id);
    for (const stream of streams) expect((await stream.ended()).at(-1)?.event).toBe("ended");
  });
});

// A stream never ends by itself: the server waited for it until it cut all connections.
test("a stop signal closes streams in good order, and their sessions go on", async () => {
  const stopping = await startServer({ env: { REDIS_URL: redis.url } });
  const id = await login(stopping, "ada");
  const stream = await follow(stopping, id);
  expect(await stopping.kill("SIGTERM")).toBe(0);
  expect(await stream.ended()).toEqual([]);
  expect(stream.end()).toBe("closed");
  (await follow(a, id)).leave();
});

function get({ url }: TestServer, id: string | undefined): Promise<Response> {
  return fetch(`${url}/auth/events`, { headers: credential(id) });
}

function follow({ url }: TestServer, id: string): Promise<Listening> {
  return listen(`${url}/auth/events`, credential(id));
}
