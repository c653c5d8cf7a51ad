/** What an earlier run wrote. */
import { existsSync, readFileSync } from "node:fs";

export function readResults(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}
