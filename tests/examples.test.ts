/** The examples, each started and walked, and the documents, which show nothing else. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "./support/free-port.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { ROOT } from "./support/server.ts";
import { until } from "./support/until.ts";

const LINES_MAX = 15;
const FRAMEWORKS = ["node", "express", "fastify", "hono", "koa"];

let redis: TestRedis;
let running: ChildProcess | undefined;

beforeAll(async () => {
  redis = await startRedis();
});

afterEach(async () => {
  if (running === undefined) return;
  running.kill("SIGKILL");
  if (running.exitCode === null && running.signalCode === null) await once(running, "exit");
  running = undefined;
});

afterAll(async () => {
  await redis?.stop();
});

/** Method and path of each step; most examples have the same. */
const STEPS = {
  login: ["POST", "/login"],
  profile: ["GET", "/profile"],
  add: ["POST", "/cart"],
  cart: ["GET", "/cart"],
  logout: ["POST", "/logout"],
} as const;
const ROUTE_STEPS = {
  login: ["POST", "/profile"],
  profile: ["GET", "/profile"],
  add: ["PATCH", "/profile"],
  cart: ["PATCH", "/profile"],
  logout: ["DELETE", "/profile"],
} as const;
type Steps = Record<keyof typeof STEPS, readonly [string, string]>;

test.each<[string, Steps]>([
  ...FRAMEWORKS.map((name): [string, Steps] => [name, STEPS]),
  ["fetch", ROUTE_STEPS],
])("examples/%s, walked", async (name, steps) => {
  const url = await start(join(ROOT, `examples/${name}/server.js`));
  const step = (which: keyof typeof STEPS, cookie = ""): Promise<Response> => {
    const [method, path] = steps[which];
    return fetch(url + path, { method, headers: { cookie }, redirect: "manual" });
  };
  const cookieOf = ({ headers }: Response): string =>
    (headers.getSetCookie()[0] ?? "").split(";")[0] ?? "";
  expect((await step("profile")).status).toBe(401);
  const visitor = cookieOf(await step("add"));
  const login = await step("login", visitor);
  expect(login.headers.get("location")).toMatch(/\/profile$/);
  const cookie = cookieOf(login);
  expect(cookie).not.toBe(visitor);
  expect(await (await step("profile", cookie)).json()).toEqual({ user: "ada" });
  await step("add", cookie);
  const cart = await (await step("cart", cookie)).json();
  // The first one is the visitor's.
  const items = ["tea", "tea"];
  expect(cart).toEqual({ items: name === "fetch" ? [...items, "tea"] : items });
  const [method, path] = steps.logout;
  const elsewhere = { cookie, "sec-fetch-site": "cross-site" };
  expect((await fetch(url + path, { method, headers: elsewhere })).status).toBe(403);
  expect((await step("logout", cookie)).status).toBe(204);
  expect((await step("profile", cookie)).status).toBe(401);
});

test.each(["fetch/route.js", ...FRAMEWORKS.map((name) => `${name}/server.js`)])(
  "examples/%s comes to a protected route in at most 15 lines",
  (path) => {
    const [toTheRoute = "", rest] = read(`examples/${path}`).split(/^ *\/\/ And data.*$/m);
    expect(rest).toBeDefined();
    // And the one that listens.
    const lines = toTheRoute.split("\n").filter((line) => line.trim() && !/^\/\//.test(line));
    expect(lines.length + 1).toBeLessThanOrEqual(LINES_MAX);
  },
);

test.each(readdirSync(join(ROOT, "examples/guide")))("examples/guide/%s runs", async (file) => {
  const env = { PATH: process.env["PATH"], REDIS_URL: redis.url };
  await promisify(execFile)(process.execPath, [join(ROOT, "examples/guide", file)], { env });
});

describe("what the documents show is what runs here", () => {
  const examples = files("examples").map(read).join("\n");
  const readmes = ["README.md", "packages/latchkey/README.md"];
  const pages = [...readmes, ...files("docs/guide")].filter((path) => path.endsWith(".md"));

  test.each(pages)("%s", (page) => {
    for (const [, block = ""] of read(page).matchAll(/^```js\n([\s\S]*?)^```/gm)) {
      expect(examples, block).toContain(block.trimEnd());
    }
    // TypeScript would have to be compiled to be tried.
    expect(read(page)).not.toMatch(/^```ts$/m);
  });

  test("the adapters page shows every framework whole", () => {
    const page = read("docs/guide/adapters.md");
    for (const name of FRAMEWORKS) expect(page).toContain(read(`examples/${name}/server.js`));
    expect(page).toContain(read("examples/fetch/route.js"));
    for (const readme of readmes) {
      expect(read(readme)).toContain(read("examples/express/server.js"));
    }
  });
});

async function start(path: string): Promise<string> {
  const port = await freePort();
  const env = { PATH: process.env["PATH"], PORT: String(port), REDIS_URL: redis.url };
  const child = spawn(process.execPath, [path], { env, stdio: ["ignore", "ignore", "pipe"] });
  running = child;
  let errors = "";
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  const url = `http://localhost:${port}`;
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`${path} ended:\n${errors}`);
    return fetch(url).then(
      () => true,
      () => false,
    );
  });
  return url;
}

function files(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}
