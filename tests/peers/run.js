/**
 * The same recipes against every library, over real HTTP on a real Redis, and one table of what came
 * of them. Exits with 1 if ours is not ok in every row, or if a recipe could not be followed; what the
 * others do is only told.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { application, Gates } from "./application.js";
import { Browser } from "./browser.js";
import { betterAuth } from "./libraries/better-auth.js";
import { expressSession } from "./libraries/express-session.js";
import { fastifySession } from "./libraries/fastify-session.js";
import { honoSession } from "./libraries/hono-session.js";
import { honoSessions } from "./libraries/hono-sessions.js";
import { ironSession } from "./libraries/iron-session.js";
import { koaSession } from "./libraries/koa-session.js";
import { latchkey } from "./libraries/latchkey.js";
import { logins } from "./recipes-logins.js";
import { races } from "./recipes-races.js";
import { storeRows } from "./recipes-store.js";
import { startRedis } from "./redis.js";
import { printTable, writeGuide } from "./table.js";
import { fails } from "./verdict.js";

const LIBRARIES = [
  latchkey,
  expressSession,
  fastifySession,
  koaSession,
  honoSession,
  honoSessions,
  ironSession,
  betterAuth,
];
const RECIPES = [...races, ...logins, ...storeRows];
const SECRET = "a-secret-of-the-usual-length-0123456789-0123456789";

process.env.NODE_ENV = "test"; // Express prints no stacks then.
let rejected = [];
process.on("unhandledRejection", (error) => rejected.push(error));
const complain = console.error;
console.error = (...words) => {
  if (!LIBRARIES.some(({ isExpectedLog }) => isExpectedLog?.(words[0]))) complain(...words);
};

const redis = await startRedis();
try {
  const rows = [];
  for (const recipe of RECIPES) {
    const cells = [];
    for (const library of LIBRARIES) cells.push(await cellOf(recipe, library));
    rows.push({ title: recipe.title, cells });
  }
  const columns = LIBRARIES.map((library) => ({ ...library, versions: versionsOf(library) }));
  const platform = `Node.js ${process.versions.node}, ${redis.name}`;
  printTable(columns, rows, platform);
  writeGuide(columns, rows, platform);
  const ours = LIBRARIES.indexOf(latchkey);
  const wrong = rows.filter(({ cells }) => !isPromised(cells[ours]));
  for (const { title } of wrong) console.error(`ours is not ok: ${title}`);
  if (wrong.length > 0) process.exitCode = 1;
} finally {
  await redis.stop();
}

async function cellOf(recipe, library) {
  await redis.hands.empty();
  rejected = [];
  const served = [];
  const serve = async ({ secrets = [SECRET], ...options } = {}) => {
    const gates = new Gates();
    const answer = application(gates);
    const app = await library.serve({ redis: redis.url, secrets, ...options, answer });
    served.push(app);
    return { gates, browser: new Browser(app.origin) };
  };
  try {
    let isAsked = false;
    const rejections = () => {
      isAsked = true;
      return rejected;
    };
    const cell = await recipe.run({ serve, redis: redis.hands, library, rejections });
    // What no row is about is not hidden.
    if (rejected.length > 0 && !isAsked) throw rejected[0];
    return cell;
  } catch (error) {
    // The recipe could not be followed, so nothing was observed: no verdict on anybody.
    console.error(`${library.name}: ${recipe.title}:`, error);
    process.exitCode = 1;
    return fails("error");
  } finally {
    for (const app of served) await app.close();
  }
}

/** Ours signs nothing, so there is a secret to change only in others. */
function isPromised({ verdict, word }) {
  return verdict === "ok" || (verdict === "n/a" && word === "no secret");
}

function versionsOf({ packages, isOurs }) {
  const folder = isOurs ? "../../packages" : "node_modules";
  return packages.map((name) => {
    const path = join(import.meta.dirname, folder, name, "package.json");
    return `${name} ${JSON.parse(readFileSync(path, "utf8")).version}`;
  });
}
