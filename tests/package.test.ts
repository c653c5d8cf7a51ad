/** The package as others get it: its types, its entry points, and nothing dead in it. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Consumer, openConsumer } from "./support/consumer.ts";
import { ROOT } from "./support/server.ts";

const run = promisify(execFile);
const MODULES = join(ROOT, "node_modules");

/** Sees the type of its data in every framework, with no declaration of its own. */
const APPLICATION = `
import express from "express";
import fastify from "fastify";
import { Hono } from "hono";
import { createSessions, type Session } from "latchkey";
import { expressSessions, requireFresh, requireSession, sessionOf } from "latchkey/express";
import { fastifySessions, sessionOf as sessionOfRequest } from "latchkey/fastify";
import { fetchSessions } from "latchkey/fetch";
import { honoSessions } from "latchkey/hono";
import { memoryStore } from "latchkey/memory";
import { nodeSessions } from "latchkey/node";
import { redisStore } from "latchkey/redis";
import { adapterConformance, storeConformance } from "latchkey/testing";
import { z } from "zod";

export const sessions = createSessions({
  store: process.env.REDIS_URL ? await redisStore({ url: process.env.REDIS_URL }) : memoryStore(),
  idleTimeout: "30m",
  cookie: process.env.NODE_ENV === "production" ? {} : { name: "sid", secure: false },
  data: z.object({ cart: z.array(z.string()).default([]) }),
});
const cartOf = (session: Session<{ cart: string[] }>): string[] => session.data.cart;

express()
  .use(expressSessions(sessions))
  .get("/", requireSession(), requireFresh({ maxAge: "10m" }), (req, res) => {
    const user: string | undefined = req.session.user;
    res.json([user, cartOf(sessionOf(sessions, req))]);
  });
const app = fastify();
await app.register(fastifySessions(sessions));
app.get("/", async (request) => [request.session.user, cartOf(sessionOfRequest(sessions, request))]);
new Hono().use(honoSessions(sessions)).get("/", (c) => c.json(cartOf(c.var.session)));
export const GET = fetchSessions(sessions)((_request, session) => Response.json(cartOf(session)));
export const open = nodeSessions(sessions);
export const suites = [adapterConformance, storeConformance];

// @ts-expect-error: the schema says so
sessions.open(null as never).then((session) => { session.data.cart = 7; });
// @ts-expect-error: browsers drop it
createSessions({ store: memoryStore(), cookie: { name: "__Host-sid", secure: false } });
// @ts-expect-error: no duration
createSessions({ store: memoryStore(), idleTimeout: "soon" });
`;

/** Apart: the types of Koa 3.0.3 have a mistake of their own, so libraries are not checked here. */
const KOA_APPLICATION = `
import Koa from "koa";
import { koaSessions, requireSession } from "latchkey/koa";
import { sessions } from "./app.ts";

new Koa()
  .use(koaSessions(sessions))
  .use(requireSession())
  .use((ctx) => {
    const cart: string[] = ctx.session.data.cart;
    ctx.body = cart;
  });
`;

let consumer: Consumer;

beforeAll(async () => {
  consumer = await openConsumer();
  await consumer.write("app.ts", APPLICATION);
  await consumer.write("koa.ts", KOA_APPLICATION);
});

afterAll(async () => {
  await consumer?.remove();
});

describe("types, in a project of somebody else", () => {
  const compilers = {
    "TypeScript 5.9": "tests/node_modules/typescript",
    "TypeScript 7": "node_modules/typescript",
  };
  const resolutions = {
    NodeNext: { module: "NodeNext" },
    Bundler: { module: "ESNext", moduleResolution: "Bundler" },
  };

  for (const [compiler, folder] of Object.entries(compilers)) {
    test.each(Object.entries(resolutions))(`${compiler}, %s`, async (name, resolution) => {
      for (const file of ["app", "koa"]) {
        const compilerOptions = {
          ...{ target: "ES2023", strict: true, exactOptionalPropertyTypes: true, noEmit: true },
          ...{ types: ["node"], allowImportingTsExtensions: true, skipLibCheck: file === "koa" },
          ...resolution,
        };
        const config = { compilerOptions, files: [`${file}.ts`] };
        await consumer.write(`${file}.${name}.json`, JSON.stringify(config));
        await consumer.node(join(ROOT, folder, "bin/tsc"), "-p", `${file}.${name}.json`);
      }
    });
  }
});

describe("entry points", () => {
  const { exports } = JSON.parse(
    readFileSync(join(ROOT, "packages/latchkey/package.json"), "utf8"),
  );
  const paths = Object.keys(exports).map((path) => path.replace(/^\./, "latchkey"));

  test.each(paths)("require and import of %s give the same", async (path) => {
    const isJson = path.endsWith(".json");
    const load = isJson ? "" : `const imported = await import("${path}");`;
    const same = isJson ? "" : `if (required !== imported) throw new Error("two copies");`;
    const script = `
      import { createRequire } from "node:module";
      const required = createRequire(import.meta.url)("${path}");
      ${load} ${same}
      console.log(Object.keys(required).length);
    `;
    const printed = await consumer.node("--input-type=module", "--eval", script);
    expect(Number(printed)).toBeGreaterThan(0);
  });

  test("each framework can be missing but the one that is used", async () => {
    const { peerDependenciesMeta, peerDependencies, dependencies } = JSON.parse(
      readFileSync(join(ROOT, "packages/latchkey/package.json"), "utf8"),
    );
    expect(dependencies).toBeUndefined();
    for (const name of Object.keys(peerDependencies)) {
      expect(peerDependenciesMeta[name], name).toEqual({ optional: true });
    }
  });
});

test("publint has nothing to say", async () => {
  const { stdout } = await run(process.execPath, [
    join(MODULES, "publint/src/cli.js"),
    ...["run", consumer.tarball, "--strict"],
  ]);
  expect(stdout).toContain("All good!");
});

test("attw has nothing to say: the types are right, for whoever loads modules", async () => {
  await run(process.execPath, [
    join(MODULES, "@arethetypeswrong/cli/dist/index.js"),
    ...[consumer.tarball, "--profile", "esm-only"],
  ]);
});

test("knip finds nothing unused", async () => {
  await run(process.execPath, [join(MODULES, "knip/bin/knip.js")], { cwd: ROOT });
});
