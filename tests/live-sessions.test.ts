/** The streams that wait for their sessions to end: real Redis and real sockets, with a clock to move. */
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import {
  createSessions,
  type Duration,
  type Session,
  type SessionManager,
  type SessionStore,
} from "latchkey";
import { nearCache } from "latchkey/near-cache";
import { nodeSessions } from "latchkey/node";
import { redisStore } from "latchkey/redis";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { EventStream } from "../apps/server/src/live/event-stream.ts";
import {
  ASK_MS,
  BEAT_MS,
  type LiveOptions,
  LiveSessions,
  STREAMS_PER_SESSION_MAX,
} from "../apps/server/src/live/live-sessions.ts";
import { type Listening, listen } from "./support/event-stream.ts";
import { keyspace } from "./support/redis-keyspace.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { connectResp, type Resp } from "./support/resp.ts";
import { exchange, logIn } from "./support/sessions.ts";
import { freshPrefix, PATIENT } from "./support/stores.ts";
import { until } from "./support/until.ts";

const MINUTE = 60_000;
/** Has the session opened by the manager without a near cache. */
const BARE = { "x-bare": "1" };

let redis: TestRedis;
let resp: Resp;
const closing: (() => unknown)[] = [];

beforeAll(async () => {
  redis = await startRedis();
  resp = await connectResp(redis.port);
});

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

afterAll(async () => {
  resp?.close();
  await redis?.stop();
});

describe("a stream hears that its session ends", () => {
  test("by time: `expiring` once, then `ended` because it expired", async () => {
    const { ada, pass, looks } = await start();
    const { stream, token } = await ada();
    await looks(token, 2);
    expect(stream.heard()).toEqual([]);
    await pass(29 * MINUTE);
    await until(() => stream.heard().length > 0);
    const [{ event, data } = { event: "", data: {} }] = stream.heard();
    expect(event).toBe("expiring");
    const left = Date.parse((data as { expiresAt: string }).expiresAt) - Date.now();
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(MINUTE);
    await looks(token, 2);
    await pass(MINUTE);
    expect((await stream.ended()).slice(1)).toEqual([
      { event: "ended", data: { reason: "expired" } },
    ]);
    expect(stream.end()).toBe("closed");
  });

  test("by time again, after it was used and got more of it", async () => {
    const { ada, pass, there, looks } = await start();
    const { stream, token } = await ada();
    await pass(29 * MINUTE);
    await until(() => stream.heard().length === 1);
    await there.check(token);
    await looks(token, 2);
    await pass(29 * MINUTE);
    await until(() => stream.heard().length === 2);
    expect(stream.heard().map(({ event }) => event)).toEqual(["expiring", "expiring"]);
  });

  test.each<[string, string, (on: SessionManager, sid: string, token: string) => Promise<unknown>]>(
    [
      ["a revoke here", "revoked", (on, sid) => on.revoke(sid)],
      ["a revoke of all here", "revoked", (on) => on.revokeUser("ada")],
      ["a logout here", "ended", async (on, _, token) => (await as(on, token)).logout()],
      ["a rotation here", "rotated", async (on, _, token) => (await as(on, token)).rotate()],
      [
        "a login over it here",
        "rotated",
        async (on, _, token) => (await as(on, token)).login("ada"),
      ],
    ],
  )("by %s: %s", async (_how, reason, act) => {
    const { ada, here } = await start();
    const { stream, sid, token } = await ada();
    await act(here, sid, token);
    expect(await stream.ended()).toEqual([{ event: "ended", data: { reason } }]);
  });

  test.each<[string, string, (on: SessionManager, sid: string, token: string) => Promise<unknown>]>(
    [
      ["a revoke", "ended", (on, sid) => on.revoke(sid)],
      ["a revoke of all", "ended", (on) => on.revokeUser("ada")],
      ["a rotation", "rotated", async (on, _, token) => (await as(on, token)).rotate()],
    ],
  )("by %s on another server, which alone knows why: %s", async (_how, reason, act) => {
    const { ada, there } = await start();
    const { stream, sid, token } = await ada();
    await act(there, sid, token);
    expect(await stream.ended()).toEqual([{ event: "ended", data: { reason } }]);
  });

  test("where nothing is remembered, too", async () => {
    const { ada, there, tick, looks } = await start();
    const { stream, sid, token } = await ada(BARE);
    await looks(token, 2);
    await there.revoke(sid);
    tick(ASK_MS);
    expect(await stream.ended()).toEqual([{ event: "ended", data: { reason: "ended" } }]);
  });
});

describe("a stream goes on", () => {
  test("when other sessions of the user are ended", async () => {
    const { ada, here, looks, live } = await start();
    const [kept, ended] = [await ada(), await ada()];
    await here.revokeUser("ada", { except: kept.sid });
    expect(await ended.stream.ended()).toHaveLength(1);
    await looks(kept.token, 2);
    expect(kept.stream.heard()).toEqual([]);
    expect(live.count).toBe(1);
  });

  // Taking "Redis cannot say" for an end would log every open page out at each restart of Redis.
  test("while Redis cannot say, and ends when it can", async () => {
    const { ada, there, tick, seen } = await start({ callTimeout: "250ms" });
    const { stream, sid, token } = await ada();
    await redis.kill("SIGSTOP");
    try {
      await until(() => {
        tick(ASK_MS);
        return seen(token).includes("unknown");
      });
      expect(stream.heard()).toEqual([]);
      expect(stream.end()).toBeUndefined();
    } finally {
      await redis.kill("SIGCONT");
    }
    await until(async () => (await there.revoke(sid).catch(() => "unknown")) !== "unknown");
    tick(ASK_MS);
    expect(await stream.ended()).toHaveLength(1);
  });
});

// Looking with `check` counts as use: an open page would keep its session alive until its absolute end.
test("an open stream does not keep its session alive", async () => {
  const { ada, pass, there, looks } = await start();
  const { stream, token } = await ada();
  for (let i = 0; i < 2; i++) {
    // Longer than the touch interval, so that each use would be a touch.
    await pass(10 * MINUTE);
    await looks(token, 3);
  }
  const [info] = await there.list("ada");
  expect((info?.expiresAt ?? 0) - (info?.lastSeenAt ?? 0)).toBe(30 * MINUTE);
  expect(info?.createdAt).toBe(info?.lastSeenAt);
  await pass(10 * MINUTE);
  expect((await stream.ended()).at(-1)?.event).toBe("ended");
});

// A change in each look is no reason to look less often: the next one may be the end.
test("a session that changes all the time is looked at all the same", async () => {
  // Every other answer as if a change had crossed the read: it is not kept.
  const { ada, there, looks } = await start({ forgets: (look) => look % 2 === 1 });
  const { stream, sid, token } = await ada();
  for (let i = 0; i < 4; i++) {
    const session = await as(there, token);
    session.data["count"] = i;
    await session.commit();
    await looks(token, 1);
  }
  await there.revoke(sid);
  expect(await stream.ended()).toHaveLength(1);
});

// Without a memory a look is a command: twice a second for each open page is too much.
test("where nothing is remembered, Redis is asked twice and then once in 5 s", async () => {
  const { ada, tick, seen, looks } = await start();
  const [near, bare] = [await ada(), await ada(BARE)];
  await looks(near.token, 5);
  expect(seen(bare.token)).toHaveLength(2);
  tick(ASK_MS);
  await looks(near.token, 5);
  expect(seen(bare.token)).toHaveLength(3);
});

test("a proxy hears a comment every 15 s", async () => {
  const { ada, tick, looks } = await start();
  const { stream, token } = await ada();
  await looks(token, 2);
  expect(stream.text()).not.toContain("\n:\n");
  for (const beats of [1, 2]) {
    tick(BEAT_MS);
    await until(() => stream.text().split("\n:\n").length === beats + 1);
  }
});

describe("what is open is bounded", () => {
  test("for one session, and a stream that was left makes room", async () => {
    const { ada, live, follow } = await start();
    const { stream, token } = await ada();
    for (let i = 1; i < STREAMS_PER_SESSION_MAX; i++) await follow(token);
    await expect(follow(token)).rejects.toThrow("too-many-of-session");
    await ada();
    stream.leave();
    await until(() => live.count === STREAMS_PER_SESSION_MAX);
    await follow(token);
  });

  test("in all", async () => {
    const { ada } = await start({ maxStreams: 2 });
    await ada();
    await ada();
    await expect(ada()).rejects.toThrow("too-many");
  });

  // A buffer without bound grows by as much as is sent for as long as the other side stays connected.
  test("for a reader that does not read: it is cut off", async () => {
    const server = createServer((_req, res) => {
      const stream = new EventStream(res);
      const flood = (): void => {
        for (let i = 0; i < 1_000; i++) stream.beat();
        if (!res.destroyed) setImmediate(flood);
      };
      flood();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const reader = connect((server.address() as AddressInfo).port, "127.0.0.1");
    reader.pause().write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const [socket] = await once(server, "connection");
    await once(socket, "close");
    reader.destroy();
    server.close();
  });
});

test("closing ends streams in good order, without an event, and begins no more", async () => {
  const { ada, live, follow, there } = await start();
  const { stream, token } = await ada();
  live.close();
  expect(await stream.ended()).toEqual([]);
  expect(stream.end()).toBe("closed");
  expect((await there.check(token)).status).toBe("valid");
  await expect(follow(token)).rejects.toThrow("closed");
});

interface Wishes extends Pick<LiveOptions, "maxStreams"> {
  readonly callTimeout?: Duration;
  /** Whether this look at a session, counted from 1, finds that nothing remembers it. */
  readonly forgets?: (look: number) => boolean;
}

async function as(sessions: SessionManager, token: string): Promise<Session> {
  return sessions.open(exchange({ "x-session-id": token }));
}

/** A server with streams, whose `here` has a near cache; `bare` and `there`, another server, have none. */
async function start({ callTimeout = PATIENT, forgets, ...options }: Wishes = {}) {
  const prefix = freshPrefix();
  const space = keyspace([resp], prefix);
  let now = 0;
  const live = new LiveSessions({ ...options, now: () => now });
  const open = async (): Promise<SessionStore> => {
    const store = await redisStore({ url: redis.url, prefix, callTimeout });
    closing.push(() => store.close());
    return store;
  };
  const store = nearCache(await open());
  const here = createSessions({ store, onEvent: (event) => live.hear(event) });
  const [bare, there] = [createSessions({ store: await open() }), await open()];
  const looked = new Map<string, string[]>();
  const server = createServer(async (req, res) => {
    const sessions = req.headers["x-bare"] === undefined ? here : bare;
    const session = await nodeSessions(sessions, { readOnly: true })(req, res);
    const seen: string[] = [];
    looked.set(String(req.headers["x-session-id"]), seen);
    const peek = async () => {
      const standing = await session.peek();
      const look = seen.push(standing.status);
      return forgets?.(look) ? { ...standing, isRemembered: false } : standing;
    };
    const outcome = live.follow({ sid: session.sid, user: session.user, peek }, res);
    if (outcome !== "following") res.writeHead(503).end(outcome);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(
    () => server.close(),
    () => live.close(),
  );
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const follow = (token: string, headers = {}): Promise<Listening> =>
    listen(url, { ...headers, "x-session-id": token });
  const seen = (token: string): readonly string[] => looked.get(token) ?? [];
  return {
    ...{ live, here, there: createSessions({ store: there }), follow, seen },
    async ada(headers = {}) {
      const { sid, token } = await logIn(here, "ada");
      return { sid, token, stream: await follow(token, headers) };
    },
    /** Waits until the session of this stream was looked at so many times more. */
    async looks(token: string, more: number): Promise<void> {
      const goal = seen(token).length + more;
      await until(() => seen(token).length >= goal);
    },
    /** Makes time pass in Redis and for the streams. */
    async pass(ms: number): Promise<void> {
      now += ms;
      await space.elapse(ms);
    },
    /** Makes time pass for the streams alone. */
    tick: (ms: number): void => {
      now += ms;
    },
  };
}
