/** The Postman collection and `requests.http`, so that what we hand to newcomers works. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { compileFunction } from "node:vm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { respOnce } from "./support/resp.ts";
import { ROOT, startServer, type TestServer } from "./support/server.ts";

/** What we use of the format 2.1. */
interface Collection {
  readonly info: { readonly schema: string };
  readonly variable: readonly { readonly key: string; readonly value: string }[];
  readonly item: readonly Item[];
}

interface Item {
  readonly name: string;
  readonly event: readonly {
    readonly listen: string;
    readonly script: { readonly exec: readonly string[] };
  }[];
  readonly request: {
    readonly method: string;
    readonly description: string;
    readonly header: readonly { readonly key: string; readonly value: string }[];
    readonly body?: { readonly mode: string; readonly raw: string };
    readonly url: {
      readonly raw: string;
      readonly host: readonly string[];
      readonly path: readonly string[];
    };
  };
}

/** An answer with its body read. */
interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

const collection: Collection = JSON.parse(read("latchkey.postman_collection.json"));
const requests = read("requests.http");

describe("the Postman collection", () => {
  let redis: TestRedis;
  let server: TestServer;

  beforeAll(async () => {
    redis = await startRedis();
    server = await startServer({ env: { REDIS_URL: redis.url } });
  });

  afterAll(async () => {
    await server?.stop();
    await redis?.stop();
  });

  test("runs from top to bottom, and every request passes tests of its own", async () => {
    const variables = new Map(collection.variable.map(({ key, value }) => [key, value]));
    variables.set("baseUrl", server.url);
    for (const item of collection.item) {
      const passed = runScript(item, await send(item, variables), variables);
      expect(passed.length, `tests of "${item.name}"`).toBeGreaterThan(0);
    }
    expect(variables.get("sessionId")).toMatch(/^[\w-]{24}$/);
    expect(await respOnce(redis.port, "KEYS", "session:*")).toEqual([]);
  });

  test("fails here when an answer is not as its tests say", async () => {
    const variables = new Map([["baseUrl", server.url]]);
    const [login] = collection.item;
    assert(login, "the collection begins with the login");
    const refused = await send(login, variables, "{}");
    expect(() => runScript(login, refused, variables)).toThrow(/Login: the login succeeds/);
  });
});

test("the collection is of format 2.1, says what it does, and its two spellings of a URL agree", () => {
  expect(collection.info.schema).toBe(
    "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
  );
  expect(collection.item.map(({ name }) => name)).toEqual([
    "Login",
    "Session",
    "Profile",
    "Logout",
    "Profile after logout",
  ]);
  for (const { request } of collection.item) {
    expect(request.description).toMatch(/\w/);
    expect(request.url.raw).toBe([...request.url.host, ...request.url.path].join("/"));
  }
});

test("requests.http takes the same walk, with the same defaults", () => {
  const lines = [...requests.matchAll(/^([A-Z]+) (\{\{baseUrl\}\}\/\S*)$/gm)];
  expect(lines.map(([, method, url]) => `${method} ${url}`)).toEqual(
    collection.item.map(({ request }) => `${request.method} ${request.url.raw}`),
  );
  const defaults = [...requests.matchAll(/^@(\w+) = (.*)$/gm)].map(([, key, value]) => [
    key,
    value,
  ]);
  expect(Object.fromEntries(defaults)).toEqual({
    ...Object.fromEntries(collection.variable.map(({ key, value }) => [key, value])),
    sessionId: "{{login.response.body.$.sessionId}}",
  });
});

type Variables = Map<string, string>;

async function send({ request }: Item, variables: Variables, body?: string): Promise<Answer> {
  const fill = (text: string): string => filled(text, variables);
  const headers = new Headers(request.header.map(({ key, value }) => [key, fill(value)]));
  if (request.body !== undefined) {
    expect(request.body.mode).toBe("raw");
    // Postman sends it for a raw body whose language is JSON.
    headers.set("Content-Type", "application/json");
  }
  const answer = await fetch(fill(request.url.raw), {
    method: request.method,
    headers,
    ...(request.body && { body: body ?? fill(request.body.raw) }),
  });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

function filled(text: string, variables: Variables): string {
  return text.replace(/\{\{(\w+)\}\}/g, (_match, name: string) => {
    const value = variables.get(name);
    assert(value !== undefined, `nothing sets {{${name}}}`);
    return value;
  });
}

/** Runs the test script of a request as Postman does; the names of its tests. */
function runScript(item: Item, answer: Answer, variables: Variables): readonly string[] {
  const passed: string[] = [];
  const pm = {
    test(name: string, body: () => void): void {
      try {
        body();
      } catch (cause) {
        throw new Error(`${item.name}: ${name}: ${String(cause)}`, { cause });
      }
      passed.push(name);
    },
    response: {
      to: { have: { status: (status: number) => assert.equal(answer.status, status) } },
      headers: { get: (name: string) => answer.headers.get(name) },
      json: () => JSON.parse(answer.text),
      text: () => answer.text,
    },
    expect: (value: unknown) => ({
      to: {
        equal: (wanted: unknown) => assert.equal(value, wanted),
        eql: (wanted: unknown) => assert.deepEqual(value, wanted),
        match: (pattern: RegExp) => assert.match(String(value), pattern),
      },
    }),
    collectionVariables: {
      get: (name: string) => variables.get(name),
      set: (name: string, value: string) => variables.set(name, value),
    },
  };
  const scripts = item.event.filter(({ listen }) => listen === "test");
  for (const { script } of scripts) compileFunction(script.exec.join("\n"), ["pm"])(pm);
  return passed;
}

function read(path: string): string {
  return readFileSync(`${ROOT}/${path}`, "utf8");
}
