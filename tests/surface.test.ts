/** The public names, on a list: a change of this file is a change of what others depend on. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ROOT } from "./support/server.ts";

const SURFACE: Record<string, string[]> = {
  latchkey: [
    "ABSOLUTE_TIMEOUT_MAX_MS",
    "DATA_MAX_BYTES",
    "DATA_MAX_FIELDS",
    "DEVICE_MAX_CHARS",
    "ROTATED_MEMORY_MS",
    "SessionError",
    "USER_MAX_BYTES",
    "checkUser",
    "createSessions",
    "isSessionError",
    "parseSessionId",
    "problem",
    "systemClock",
    "systemRandom",
  ],
  "latchkey/redis": [
    "ANSWERS",
    "CONNECT_TIMEOUT_MS",
    "connect",
    "driverFor",
    "parseRedisUrl",
    "redisStore",
    "userKey",
  ],
  "latchkey/near-cache": ["NEAR_CACHE_ENTRIES", "nearCache"],
  "latchkey/memory": ["memoryStore"],
  "latchkey/node": [
    "nodeExchange",
    "nodeSessions",
    "requireFresh",
    "requireSession",
    "sendProblem",
  ],
  "latchkey/express": ["expressSessions", "requireFresh", "requireSession", "sessionOf"],
  "latchkey/fastify": ["fastifySessions", "requireFresh", "requireSession", "sessionOf"],
  "latchkey/fetch": [
    "fetchExchange",
    "fetchSessions",
    "problemResponse",
    "requireFresh",
    "requireSession",
  ],
  "latchkey/hono": ["honoSessions", "requireFresh", "requireSession"],
  "latchkey/koa": ["koaSessions", "requireFresh", "requireSession"],
  "latchkey/testing": ["ManualClock", "WatchedStore", "adapterConformance", "storeConformance"],
};

test.each(Object.entries(SURFACE))("%s exports these names", async (path, names) => {
  expect(Object.keys(await import(path)).sort()).toEqual(names);
});

test("every published path is on the list, with its types and its source", () => {
  const { exports } = JSON.parse(readFileSync(`${ROOT}/packages/latchkey/package.json`, "utf8"));
  const { "./package.json": own, ...paths } = exports;
  expect(own).toBe("./package.json");
  const published = Object.keys(paths).map((path) => path.replace(/^\./, "latchkey"));
  expect(published.sort()).toEqual(Object.keys(SURFACE).sort());
  for (const target of Object.values<object>(paths)) {
    expect(Object.keys(target)).toEqual(["source", "types", "default"]);
  }
});
