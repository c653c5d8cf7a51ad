/** LOG-1, LOG-4: a line per entry, whatever is in it; known fields only; no secret by an error. */
import { inspect } from "node:util";
import { createSessions, SessionError } from "latchkey";
import { memoryStore } from "latchkey/memory";
import { ManualClock } from "latchkey/testing";
import { describe, expect, test } from "vitest";
import type { LogEntry } from "../apps/server/src/log/entry.ts";
import { summaryOf } from "../apps/server/src/log/error-summary.ts";
import { LEVELS } from "../apps/server/src/log/level.ts";
import { createLog, type LogOptions } from "../apps/server/src/log/logger.ts";

const SECRET = "canary0SECRET0canary";
const SERVED = {
  event: "request_served",
  status: 200,
  durationMs: 3,
  requestId: "r1",
  method: "GET",
  route: "/profile",
  where: "192.0.2.0/24",
  userAgent: "curl/8.5.0",
} as const;

/** What a log at "trace" writes of entries. */
function written(entries: readonly LogEntry[], options: LogOptions = { level: "trace" }): string {
  let text = "";
  const log = createLog({ write: (line) => (text += line) }, options);
  for (const entry of entries) log.write(entry);
  return text;
}

function parsed(entry: LogEntry): Record<string, unknown> {
  return JSON.parse(written([entry]));
}

describe("LOG-4: one entry, one line", () => {
  test("of JSON, with time in UTC and level first", () => {
    const clock = new ManualClock(Date.UTC(2026, 0, 2, 3, 4, 5, 6));
    expect(written([SERVED], { level: "trace", clock })).toBe(
      '{"time":"2026-01-02T03:04:05.006Z","level":"debug","event":"request_served",' +
        '"where":"192.0.2.0/24","requestId":"r1","method":"GET","route":"/profile",' +
        '"status":200,"durationMs":3,"userAgent":"curl/8.5.0"}\n',
    );
  });

  test.each([
    ["a second line", 'x\n{"event":"fake"}'],
    ["a carriage return", "x\r\ny"],
    ["an escape sequence", "x\u001b[2Jy"],
    ["DEL", "x\u007fy"],
    ["the C1 control that begins a sequence", "x\u009b2Jy"],
    ["U+0085", "x\u0085y"],
    ["line and paragraph separators", "x\u2028\u2029y"],
    ["text turned around", "x\u202ey\u2066z"],
    ["characters of no width", "x\u200b\ufeffy"],
    ["invisible tags beyond U+FFFF", "x\u{e0041}y"],
    ["half a surrogate pair", "x\ud800y"],
    ["quotes and backslashes", 'x","event":"fake\\'],
  ])("%s: escaped, and back unchanged from a parser", (_name, userAgent) => {
    const text = written([{ ...SERVED, userAgent }]);
    expect(text.indexOf("\n")).toBe(text.length - 1);
    expect(text.slice(0, -1)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
    expect(JSON.parse(text)).toMatchObject({ event: "request_served", userAgent });
  });

  test("a User-Agent has 256 characters at most, and no half a pair at its end", () => {
    const userAgent = String(parsed({ ...SERVED, userAgent: "💻".repeat(5_000) })["userAgent"]);
    expect(userAgent).toBe(`${"💻".repeat(127)}…`);
    expect(parsed({ ...SERVED, userAgent: "x".repeat(256) })["userAgent"]).toBe("x".repeat(256));
    expect(String(parsed({ ...SERVED, userAgent: "x".repeat(257) })["userAgent"])).toHaveLength(
      256,
    );
  });

  test("no line is longer than 20,000 characters, whatever is long in it", () => {
    const long = "\u001b".repeat(100_000);
    const error = summaryOf(
      new SessionError("store-unavailable", long, { cause: new Error(long) }),
    );
    const entry = { ...SERVED, event: "request_failed", code: long, route: long, error } as const;
    const [line = ""] = [written([{ ...entry, method: long, userAgent: long, requestId: long }])];
    expect(line.length).toBeLessThan(20_000);
  });
});

describe("levels", () => {
  const event = (level: string): LogEntry[] =>
    level === "fatal" ? [{ event: "server_crashed", error: summaryOf(new Error("x")) }] : [SERVED];

  test.each(LEVELS)("at %s only what matters as much is written", (level) => {
    const isDebug = level === "trace" || level === "debug";
    expect(written(event("debug"), { level }) !== "").toBe(isDebug);
    expect(written(event("fatal"), { level })).not.toBe("");
  });

  test("info is the default", () => {
    expect(written([SERVED, { event: "redis_connected" }], {})).toMatch(
      /^[^\n]*redis_connected[^\n]*\n$/,
    );
  });
});

describe("LOG-1: redacted by construction", () => {
  test("a field that is not on the list is not written, even if a spread brings it along", () => {
    const request = { ...SERVED, headers: { cookie: SECRET }, cookie: SECRET, token: SECRET };
    expect(written([request])).not.toContain(SECRET);
  });

  test("nor is anything but text and numbers under a name that is", () => {
    const request = { ...SERVED, ...{ userAgent: { toJSON: () => SECRET } as unknown as string } };
    expect(written([request])).not.toContain(SECRET);
    expect(parsed(request)).not.toHaveProperty("userAgent");
  });

  test.each<[string, () => unknown, string]>([
    [
      "what Redis repeats of a command",
      () =>
        Object.assign(new Error(`ERR unknown command 'X', with args beginning with: '${SECRET}'`), {
          name: "ErrorReply",
        }),
      "ErrorReply ERR",
    ],
    ["what Redis says of a key", () => new Error(`WRONGTYPE ${SECRET}`), "Error WRONGTYPE"],
    [
      "what JSON.parse repeats of a body",
      () => thrownBy(() => JSON.parse(`{"password":${SECRET}`)),
      "SyntaxError",
    ],
    ["what a URL was made of", () => thrownBy(() => new URL(SECRET)), "TypeError ERR_INVALID_URL"],
    [
      "what Node repeats of an argument",
      () => thrownBy(() => Buffer.alloc(SECRET as unknown as number)),
      "TypeError ERR_INVALID_ARG_TYPE",
    ],
    ["a name", () => Object.assign(new Error("x"), { name: `${SECRET} ` }), "Error"],
    ["a code", () => Object.assign(new Error("x"), { code: `${SECRET}=` }), "Error"],
    ["fields", () => Object.assign(new Error("x"), { token: SECRET }), "Error"],
    ["lines like frames", () => new Error(`x\n    at ${SECRET} (file.js:1:1)`), "Error"],
    [
      "a message changed after its stack was written",
      () => {
        const error = new Error(`x\n    at ${SECRET}`);
        expect(error.stack).toContain(SECRET);
        return Object.assign(error, { message: "y" });
      },
      "Error",
    ],
    ["text that is thrown", () => SECRET, "thrown: string"],
    [
      "a cause of a cause",
      () =>
        new SessionError("store-unavailable", "Redis did not answer", {
          cause: new Error("x", { cause: new Error(`NOAUTH ${SECRET}`) }),
        }),
      "SessionError store-unavailable: Redis did not answer <- Error <- Error NOAUTH",
    ],
  ])("an error does not tell %s", (_name, make, chain) => {
    const error = summaryOf(make());
    const entry = { ...SERVED, event: "request_failed", code: "internal_error", error } as const;
    const text = written([entry]);
    expect(text).not.toContain(SECRET);
    expect(parsed(entry)["error"]).toBe(chain);
  });

  test("an error tells where it was made", () => {
    const { at } = summaryOf(new TypeError("x"));
    expect(at[0]).toMatch(/^at .*log\.test\.ts:\d+:\d+/);
    expect(at.length).toBeLessThanOrEqual(10);
  });

  test("a chain of causes that bites its own tail ends", () => {
    const error = new Error("x");
    error.cause = error;
    expect(summaryOf(error).chain.split(" <- ")).toHaveLength(8);
  });
});

test.each(["split", "literal"] as const)(
  "LOG-3: a session of the %s layout that is printed by mistake shows no credential",
  async (layout) => {
    const store = memoryStore();
    const sessions = createSessions({ store, layout });
    const session = await openOne(sessions);
    const { token } = await session.login("ada", { transport: "header" });
    // In the split layout the id alone is harmless.
    const secret = layout === "split" ? token.split(".")[1] : token;
    if (secret === undefined) throw new Error("a token has a secret");
    const printed = [
      JSON.stringify(session),
      String(session),
      inspect(session, { depth: 10, showHidden: true }),
      inspect(sessions, { depth: 10, showHidden: true }),
    ].join("\n");
    expect(printed).not.toContain(secret);
    await store.close();
  },
);

function openOne(sessions: ReturnType<typeof createSessions>) {
  return sessions.open({
    method: "POST",
    scheme: "https",
    headers: () => [],
    responseHeader: () => [],
    setResponseHeader: () => {},
  });
}

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error("it should have thrown");
}
