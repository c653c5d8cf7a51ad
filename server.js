// `npm install && node server.js`: the server is TypeScript, built by npm install into dist/.
import { existsSync } from "node:fs";

const server = new URL("./apps/server/dist/server.js", import.meta.url);
if (existsSync(server)) await import(server.href);
else {
  process.stderr.write("Not built yet. Run: npm install\n");
  process.exitCode = 1;
}
