/** docs/security.md says which test keeps which promise: there must be one of that name. */
import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ROOT } from "./support/server.ts";

const PAGE = readFileSync(`${ROOT}/docs/security.md`, "utf8");
const ROWS = [...PAGE.matchAll(/^\| ([A-Z]{2,3}-\d+) \|.*\| (`.*`) \|$/gm)];

test("every row of the page is in the name of a test, in each file that it names", () => {
  expect(ROWS.length).toBeGreaterThan(50);
  const missing = ROWS.flatMap(([, row = "", files = ""]) =>
    [...files.matchAll(/`([\w-]+)`/g)]
      .map(([, file = ""]) => `${ROOT}/tests/${file}.test.ts`)
      .filter((path) => !existsSync(path) || !isNamed(row, readFileSync(path, "utf8")))
      .map((path) => `${row}: ${path}`),
  );
  expect(missing).toEqual([]);
});

function isNamed(row: string, text: string): boolean {
  return new RegExp(`(?:test|describe)(?:\\.each)?\\([^\\n]*\\b${row}\\b`).test(text);
}
