import { expect, test } from "vitest";
import { parseRedisUrl } from "./url.ts";

const PLAIN = { tls: false, master: "", username: "", password: "", database: 0 };
const at = (host: string, port: number) => ({ host, port });

test.each([
  ["redis://a", { topology: "single", endpoints: [at("a", 6379)] }],
  ["redis://a:1/", { topology: "single", endpoints: [at("a", 1)] }],
  ["redis://[::1]:1/3", { topology: "single", endpoints: [at("::1", 1)], database: 3 }],
  ["rediss://a:1", { topology: "single", endpoints: [at("a", 1)], tls: true }],
  [
    "redis://me:p%40%2Fss@a:1",
    { topology: "single", endpoints: [at("a", 1)], username: "me", password: "p@/ss" },
  ],
  ["redis://:pass@a:1", { topology: "single", endpoints: [at("a", 1)], password: "pass" }],
  [
    "redis+sentinel://u:p@a,b:2/main/4",
    {
      ...{ topology: "sentinel", endpoints: [at("a", 26_379), at("b", 2)], master: "main" },
      ...{ username: "u", password: "p", database: 4 },
    },
  ],
  [
    "redis+cluster://a:1,:p@b:2",
    { topology: "cluster", endpoints: [at("a", 1), at("b", 2)], password: "p" },
  ],
])("%s", (url, target) => {
  expect(parseRedisUrl(url)).toEqual({ ...PLAIN, ...target });
});

test.each([
  "",
  "a:1",
  "http://a",
  "redis://",
  "redis://a:port",
  "redis://a:1,b:2",
  "redis://a/x",
  "redis://a/1/2",
  "redis://a:1?db=3",
  "redis://%zz@a",
  "redis+sentinel://a:1",
  "redis+sentinel://a:1/",
  "redis+cluster://a:1,",
  "redis+cluster://a:1/1",
])("%j is none", (url) => {
  expect(() => parseRedisUrl(url)).toThrow(expect.objectContaining({ field: "url" }));
});
