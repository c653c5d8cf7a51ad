/** Style as tests: the direction of imports, one place for each dangerous call, nothing stale. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  bannedCalls,
  barelyDocumentedScripts,
  deadLinks,
  type Files,
  longFiles,
  wrongImports,
} from "./support/house-rules.ts";
import { ROOT } from "./support/server.ts";

const files = repositoryFiles();

test("imports follow the arrows: everything may know core, core knows nothing", () => {
  expect(wrongImports(files)).toEqual([]);
});

describe("an import against the arrows is found", () => {
  test.each([
    ["packages/latchkey/src/core/manager.ts", 'import { x } from "../redis/keys.ts";'],
    ["packages/latchkey/src/core/manager.ts", 'import { x } from "redis";'],
    ["packages/latchkey/src/core/manager.ts", 'import { x } from "node:crypto";'],
    ["packages/latchkey/src/core/policy.ts", 'const x = await import("express");'],
    ["packages/latchkey/src/memory/memory-store.ts", 'export { x } from "../redis/keys.ts";'],
    ["packages/latchkey/src/redis/keys.ts", 'import "../memory/memory-store.ts";'],
    ["packages/latchkey/src/adapters/express.ts", 'import type { x } from "../redis/keys.ts";'],
    ["packages/latchkey/src/adapters/node.ts", 'import { x } from "./express.ts";'],
    ["packages/latchkey/src/testing/index.ts", 'import { x } from "vitest";'],
    ["apps/server/src/routes/auth.ts", 'import {\n  x,\n} from "../redis.ts";'],
    ["apps/server/src/app.ts", 'import { x } from "../../../packages/latchkey/src/index.ts";'],
  ])("%s: %s", (path, text) => {
    expect(wrongImports(new Map([[path, text]]))).toHaveLength(1);
  });
});

test("time, randomness, timers and unsafe casts each have their one place", () => {
  expect(bannedCalls(files)).toEqual([]);
});

test("a dangerous call in the wrong place is found", () => {
  const text = "const id = Math.random() + Date.now(); // Date.now() in a comment is fine";
  expect(bannedCalls(new Map([["packages/latchkey/src/core/policy.ts", text]]))).toHaveLength(2);
  const comment = "/** Not Date.now(): a Clock. */";
  expect(bannedCalls(new Map([["packages/latchkey/src/core/policy.ts", comment]]))).toEqual([]);
});

test("no file is longer than its kind may be", () => {
  expect(longFiles(files)).toEqual([]);
});

test("every Lua script says what its keys, arguments and replies are", () => {
  expect(barelyDocumentedScripts(files)).toEqual([]);
});

test("the embedded Lua is the Lua in scripts/", async () => {
  const { current, generate } = await import("../scripts/embed-lua.js");
  expect(current(), "stale: npm run embed-lua").toBe(generate());
});

test("every link in the documents leads somewhere", () => {
  expect(deadLinks(files, (path) => existsSync(`${ROOT}/${path}`))).toEqual([]);
  const broken = new Map([["a.md", "[x](b.md) [y](#nowhere) [z](#here)\n# Here"]]);
  expect(deadLinks(broken, (path) => path === "a.md")).toHaveLength(2);
});

test("every workspace has the one version of the project", () => {
  const versions = [...files]
    .filter(([path]) => path.endsWith("package.json"))
    .map(([, text]) => JSON.parse(text).version);
  expect(new Set(versions).size).toBe(1);
  expect(files.get("CHANGELOG.md")).toContain(`## ${versions[0]}`);
});

test("dependencies are named by exact versions", () => {
  for (const [path, text] of files) {
    if (!path.endsWith("package.json")) continue;
    const { dependencies = {}, devDependencies = {} } = JSON.parse(text);
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
      expect(version, `${path}: ${name}`).toMatch(/^(npm:[a-z-]+@)?\d+\.\d+\.\d+$/);
    }
  }
});

test("no test is focused or skipped without saying why", () => {
  const tests = [...files].filter(([path]) => path.endsWith(".test.ts"));
  for (const [path, text] of tests) {
    expect(text, path).not.toMatch(/\b(test|it|describe)\.(only|skip|todo)\(/);
  }
});

/** Tracked files, and new ones that git would track: what a commit of now would hold. */
function repositoryFiles(): Files {
  const listed = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "-z"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  const text = /\.(ts|js|css|lua|md|json|yml|html)$/;
  return new Map(
    listed
      .split("\0")
      .filter(
        (path) => text.test(path) && path !== "package-lock.json" && existsSync(`${ROOT}/${path}`),
      )
      .map((path) => [path, readFileSync(`${ROOT}/${path}`, "utf8")]),
  );
}
