/** The auth server against pages of other origins: they log nobody in or out. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { credential, json, logout, postLogin, profile } from "./support/http.ts";
import { startServer, type TestServer } from "./support/server.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startServer({ args: ["--memory"] });
});

afterAll(async () => {
  await server?.stop();
});

const ELSEWHERE: Record<string, string>[] = [
  { "sec-fetch-site": "cross-site", origin: "https://evil.example" },
  { "sec-fetch-site": "same-site", origin: "http://localhost:9" },
  { origin: "https://evil.example" },
  { origin: "null" },
];

test.each(ELSEWHERE)("a login from %o is refused, whatever its transport", async (headers) => {
  for (const transport of [undefined, "cookie", "header"]) {
    const response = await postLogin(server, { username: "eve", transport }, headers);
    expect([response.status, response.headers.getSetCookie()]).toEqual([403, []]);
    expect(await json(response)).toMatchObject({
      ...{ status: 403, code: "csrf", requestId: response.headers.get("x-request-id") },
    });
  }
});

test.each(ELSEWHERE)("a logout from %o is refused, and the session lives", async (headers) => {
  const { sessionId } = await json(await postLogin(server, { username: "ada" }));
  const cookie = `sid=${sessionId}`;
  const out = await fetch(`${server.url}/auth/logout`, {
    method: "POST",
    headers: { ...headers, cookie },
  });
  expect([out.status, out.headers.getSetCookie()]).toEqual([403, []]);
  expect((await json(out))["code"]).toBe("csrf");
  expect((await profile(server, String(sessionId))).status).toBe(200);
});

test("our own page, and whoever sends the id as header, are not in the way of it", async () => {
  const own = [{ "sec-fetch-site": "same-origin" }, { origin: server.url }];
  for (const headers of own)
    expect((await postLogin(server, { username: "ada" }, headers)).ok).toBe(true);
  const { sessionId } = await json(await postLogin(server, { username: "ada" }));
  const out = await fetch(`${server.url}/auth/logout`, {
    method: "POST",
    headers: { ...credential(String(sessionId)), "sec-fetch-site": "cross-site" },
  });
  expect(out.status).toBe(204);
  expect((await logout(server, String(sessionId))).status).toBe(204);
});
