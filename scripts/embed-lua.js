/**
 * Writes scripts.generated.ts: each .lua file as a string with its SHA-1, so that the published
 * package reads no files at run time. `tests/tidy.test.ts` fails when the result is stale.
 * Plain JavaScript, because Node 20 does not run TypeScript.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FOLDER = new URL("../packages/latchkey/src/redis/", import.meta.url);
const TARGET = new URL("scripts.generated.ts", FOLDER);

/** The text that scripts.generated.ts should have. */
export function generate() {
  const names = readdirSync(new URL("scripts/", FOLDER)).filter((name) => name.endsWith(".lua"));
  const entries = names.sort().map((name) => {
    const lua = withIncludes(readFileSync(new URL(`scripts/${name}`, FOLDER), "utf8"));
    const sha1 = createHash("sha1").update(lua).digest("hex");
    const constant = name.replace(".lua", "").replaceAll("-", "_").toUpperCase();
    return `export const ${constant}: Script = {\n  sha1: "${sha1}",\n  lua: ${JSON.stringify(lua)},\n};\n`;
  });
  return `/** Made from scripts/*.lua by \`npm run embed-lua\`. Do not edit. */\nimport type { Script } from "./driver.ts";\n\n${entries.join("\n")}`;
}

/**
 * Puts scripts/include/<name>.lua in place of the line "-- include: <name>".
 * @param {string} lua
 */
function withIncludes(lua) {
  return lua.replace(/^-- include: (\w+)\n/gm, (_line, name) =>
    readFileSync(new URL(`scripts/include/${name}.lua`, FOLDER), "utf8"),
  );
}

/** The text that it has. */
export function current() {
  return readFileSync(TARGET, "utf8");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(TARGET, generate());
