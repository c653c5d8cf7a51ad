/** The reference page against the sources: each name of the one is in the other, and in its section. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { SessionError, type SessionErrorCode } from "../packages/latchkey/src/core/errors.ts";
import { SessionManager } from "../packages/latchkey/src/core/manager.ts";
import { Session } from "../packages/latchkey/src/core/session.ts";
import { ROOT } from "./support/server.ts";

const page = readFileSync(join(ROOT, "docs/guide/reference.md"), "utf8");

/** Where the names of a section come from: a declaration, and what a name in it looks like. */
const PROPERTY = /^ +(?:\| \{ *)?readonly (\w+)\??:/gm;
const MEMBER = /^ +(?:readonly code: .*)?\| "([\w-]+)"/gm;
const SECTIONS: Record<string, [file: string, declaration: string, name: RegExp][]> = {
  createSessions: [
    ["core/sessions-options.ts", "interface SessionsOptions", PROPERTY],
    ["core/policy.ts", "interface PolicyOptions", PROPERTY],
  ],
  cookie: [["core/cookie.ts", "interface SecureCookieOptions", PROPERTY]],
  login: [["core/session-options.ts", "interface LoginOptions", PROPERTY]],
  list: [["core/manager.ts", "type SessionInfo", /"(\w+)"/g]],
  redisStore: [["redis/store-options.ts", "type RedisStoreOptions", PROPERTY]],
  connect: [["redis/connect.ts", "interface ConnectOptions", PROPERTY]],
  nearCache: [["near-cache/near-cache.ts", "interface NearCacheOptions", PROPERTY]],
  memoryStore: [["memory/memory-store.ts", "interface MemoryStoreOptions", PROPERTY]],
  Events: [
    ["core/events.ts", "type SessionEvent", /readonly type: "([\w-]+)"/g],
    ["core/events.ts", "type RefuseReason", MEMBER],
  ],
  Errors: [["core/errors.ts", "type SessionErrorCode", MEMBER]],
  Warnings: [["core/warning.ts", "interface SessionWarning", MEMBER]],
  Adapters: [
    ["core/visit.ts", "interface OpenOptions", PROPERTY],
    ["core/refusal.ts", "interface Refusal", MEMBER],
  ],
};

describe("the reference has all names of the sources, and no others", () => {
  test.each(Object.entries(SECTIONS))("%s", (section, sources) => {
    const names = sources.flatMap(([file, declaration, name]) =>
      [...declared(file, declaration).matchAll(name)].map(([, found = ""]) => found),
    );
    expect(names.length).toBeGreaterThan(1);
    expect([...rows(section).keys()].sort()).toEqual([...new Set(names)].sort());
  });

  test.each([
    ["Session", Session],
    ["SessionManager", SessionManager],
  ])("%s", (section, { prototype }) => {
    const names = Object.getOwnPropertyNames(prototype).filter((name) => name !== "constructor");
    expect([...rows(section).keys()].sort()).toEqual(names.sort());
  });
});

test("each error has its status", () => {
  for (const [code, row] of rows("Errors")) {
    const { status } = new SessionError(code as SessionErrorCode, "");
    expect(row, code).toContain(`| \`${code}\` | ${status} |`);
  }
});

test.each([
  ["createSessions", "core/policy.ts"],
  ["cookie", "core/cookie.ts"],
])("%s has the defaults", (section, file) => {
  const defaults = [...declared(file, "const DEFAULTS").matchAll(/^ +(\w+): (.+),$/gm)];
  expect(defaults.length).toBeGreaterThan(3);
  for (const [, name = "", value] of defaults) {
    if (value !== "undefined") expect(rows(section).get(name), name).toContain(`| \`${value}\` |`);
  }
});

test("the limits are those of the sources", async () => {
  const { DATA_MAX_BYTES, DATA_MAX_FIELDS, DEVICE_MAX_CHARS, USER_MAX_BYTES } = await import(
    "latchkey"
  );
  const { CONNECT_TIMEOUT_MS } = await import("latchkey/redis");
  const { NEAR_CACHE_ENTRIES } = await import("latchkey/near-cache");
  expect(page).toContain(`${DATA_MAX_FIELDS} fields and ${DATA_MAX_BYTES / 1_024} KiB`);
  expect(page).toContain(`cut at ${DEVICE_MAX_CHARS} characters`);
  expect(page).toContain(`1 to ${USER_MAX_BYTES} bytes`);
  expect(page).toContain(`| ${CONNECT_TIMEOUT_MS.toLocaleString("en-US")} |`);
  expect(page).toContain(`| ${NEAR_CACHE_ENTRIES.toLocaleString("en-US")} |`);
});

/** The rows of a section's tables, by the name in their first column. */
function rows(section: string): Map<string, string> {
  const [, text = ""] = page.split(new RegExp(`^## ${section}$`, "m"));
  const [own = ""] = text.split(/^## /m);
  return new Map(
    [...own.matchAll(/^\| `([\w-]+)` \|.*$/gm)].map(([row, name = ""]) => [name, row]),
  );
}

/** The text of a declaration, which ends where the next thing begins at the margin. */
function declared(file: string, declaration: string): string {
  const source = readFileSync(join(ROOT, "packages/latchkey/src", file), "utf8");
  const [, text] = source.split(new RegExp(`^(?:export )?${declaration}\\b`, "m"));
  if (text === undefined) throw new Error(`no ${declaration} in ${file}`);
  const [own = ""] = text.split(/\n(?=[\w/]|\}\n\n)/);
  return own;
}
