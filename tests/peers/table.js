/** The table, for the console and for the guide. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "./verdict.js";

const GUIDE = join(import.meta.dirname, "../../docs/guide/comparison.md");

export function printTable(columns, rows, platform) {
  const table = [
    ["", ...columns.map(({ name }) => name)],
    ...rows.map(({ title, cells }) => [title, ...cells.map(text)]),
  ];
  const widths = table[0].map((_, i) => Math.max(...table.map((line) => line[i].length)));
  for (const line of table) {
    console.log(
      line
        .map((cell, i) => cell.padEnd(widths[i]))
        .join("  ")
        .trimEnd(),
    );
  }
  console.log();
  for (const { versions } of columns) console.log(versions.join(", "));
  console.log(platform);
}

export function writeGuide(columns, rows, platform) {
  writeFileSync(GUIDE, guide(columns, rows, platform));
}

function guide(columns, rows, platform) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return `# Comparison

Written by \`npm run test:peers\`: do not edit. The same requests go to every library, over real HTTP, with
one real Redis behind; [the recipes](../../tests/peers) are short, and one file a library shows how it
was mounted.

${line(["", ...columns.map(({ name }) => name)])}
${line(["---", ...columns.map(() => "---")])}
${rows.map(({ title, cells }) => line([title, ...cells.map(cellText)])).join("\n")}

## What ran

| Library | Versions | Mounted on |
|---|---|---|
${columns.map(({ name, versions, mounted }) => line([name, versions.join(", "), mounted])).join("\n")}

All on ${platform}.

Where a row says nothing of options, they are those that the library's own documents
advise. connect-redis 10 and iron-session 9 need Node.js 22; the versions here run on 20 too.
iron-session 9 refuses a Map, and names the field: in that row it would be ok.

## How to read it

- **"fails" is about the row, not about the library.** Several are trade-offs that the library documents.
  A session in the cookie (iron-session) needs no store, and has no logout that a copied cookie would
  heed. Saving the whole session, last write wins, is simple, and right where a session is written once.
  An answer that leaves before the save is faster; the README of express-session shows how to save first.
- **Some depend on whether use prolongs a session.** @fastify/session (\`rolling\`) and hono-sessions
  (\`autoExtendExpiration\`) do so unless told otherwise, and write the whole session then; express-session
  moves the TTL in either case. koa-session and @hono/session do not unless told: that is why they need
  one command. latchkey notes a use every three minutes by default, with a second command then. The second
  GET of better-auth asks whether all sessions of the user were ended.
- **A new id at login** is a call of the application's own in most of them, as the README of
  express-session shows: one row tells what happens without it, the next what happens with it.
- **A race is arranged, not awaited.** A handler waits at a gate until the other request is done;
  better-auth, which saves at once, between its own read and its write. On a busy site the same order comes
  by itself, more rarely: better-auth prolongs a session once a day by default, and in the row about it
  at each use.
- **Three stores are of the test's own**, three verbs each, for koa-session, @hono/session and
  hono-sessions come with none for Redis: what such a store does with a corrupt value is not theirs.
- **These libraries change.** They are released often, and a row may be out of date: look at the versions,
  set newer ones in \`tests/peers/package.json\`, and run it again.
- "n/a": there is nothing to test, for the reason beside it. A number is a status of HTTP, or a count;
  "crash": a rejection that nobody handles, which ends a Node.js process.

## What has no row

We wrote the rows, from mistakes that we wanted not to make. Left out is:

- what others do and we do not: sign-up, OAuth, stores beside Redis, runs on the edge
- what most do not offer at all, an absolute timeout or a cap on the sessions of a user: no mistake
- what only one has: \`req.session = null\` and a new \`cookie.maxAge\` in express-session, \`all()\` and
  \`clear()\` of connect-redis, the cookie cache and the bearer plugin of better-auth
- attributes of the cookie: an option nearly everywhere, and the application's to set
- Redis that is gone or slow: how long that takes is up to the client that the application hands over
- the parallel requests of a first visit: where each stores something, each begins a session, with us too

## Repeat it

\`\`\`sh
npm ci
npm run test:peers
\`\`\`

installs the other libraries into \`tests/peers\` (exact versions, no install scripts, not part of the
workspace), starts a Redis of its own on 127.0.0.1, prints the table, and writes this page. It fails if
Latchkey is not ok in a row, or if a recipe could not be followed.
`;
}

function cellText(cell) {
  return cell.verdict === "fails" ? `**${text(cell)}**` : text(cell);
}
