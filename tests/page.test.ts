/** The page at `/`, walked in a real browser against the built server and a real Redis. */
import {
  type Browser,
  type BrowserContext,
  chromium,
  type Locator,
  type Page,
} from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { connectResp, type Resp } from "./support/resp.ts";
import { startServer, type TestServer } from "./support/server.ts";
import { until } from "./support/until.ts";

/** Found, or installed, by global setup. */
const executablePath = process.env["CHROMIUM_PATH"] ?? "";
const hasChromium = executablePath !== "";
const ACTION_LIMIT_MS = 100_000;
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const NAME = "Ada 🗝️ <b>Lovelace</b> & co";
/** What a browser logs for each answer that is no success. These answers are what we ask for. */
const EXPECTED_LOG = /^Failed to load resource: .*(40[01]|503|ERR_INTERNET_DISCONNECTED)/;
const API = /\/(auth\/(login|session|logout)|profile)$/;

let redis: TestRedis;
let resp: Resp;
let server: TestServer;
let browser: Browser;
let context: BrowserContext;
/** Console errors, exceptions, CSP violations and requests to elsewhere. */
const complaints: string[] = [];

describe.skipIf(!hasChromium)(
  hasChromium ? "the page at /" : "the page at / (skipped: no Chromium on this machine)",
  () => {
    beforeAll(async () => {
      redis = await startRedis();
      [resp, server, browser] = await Promise.all([
        connectResp(redis.port),
        startServer({ env: { REDIS_URL: redis.url } }),
        chromium.launch({ executablePath, args: FLAGS }),
      ]);
    });

    afterAll(async () => {
      await browser?.close();
      await server?.stop();
      resp?.close();
      await redis?.stop();
    });

    beforeEach(async () => {
      complaints.length = 0;
      await resp.command("FLUSHALL");
      context = await browser.newContext();
      // Only ends a test that has failed: a browser started for the first time can take a while.
      context.setDefaultTimeout(ACTION_LIMIT_MS);
    });

    afterEach(async () => {
      await context.close();
      expect(complaints).toEqual([]);
    });

    test("is one static page under a policy that allows nothing from elsewhere", async () => {
      const page = await openPage();
      const answer = await page.reload();
      expect(answer?.headers()["content-security-policy"]).toMatch(/^default-src 'none'/);
      await says(page, "Nobody is logged in here yet");
      await page.getByText("This demo asks for no password").waitFor();
      expect(await page.title()).toBe("Latchkey: login sessions in Redis");
    });

    test("a violation of the policy would be noticed by these tests", async () => {
      const page = await openPage();
      await page.evaluate("document.body.append(document.createElement('style'))");
      await page.evaluate("document.querySelector('style').textContent = 'p { color: red }'");
      await until(() => complaints.length > 0);
      expect(complaints.splice(0).join()).toContain("Content Security Policy");
    });

    test.each([
      ["an empty one", "", "The username must not be empty."],
      ["65 characters", "a".repeat(65), "The username must be at most 64 code points."],
    ])("says what is wrong with a name: %s", async (_what, name, words) => {
      const page = await openPage();
      await page.getByLabel("Username").fill(name);
      await page.getByRole("button", { name: "Log in" }).click();
      await page.getByText(words, { exact: true }).waitFor();
      await says(page, "The server refused this");
      expect(await status(page)).toBe("400 Bad Request");
      expect(await page.getByLabel("Username").getAttribute("aria-invalid")).toBe("true");
      expect(await resp.command("KEYS", "session:*")).toEqual([]);
      await logIn(page, "ada");
      expect(await page.getByText(words, { exact: true }).count()).toBe(0);
    });

    test("shows any name exactly as it was typed, never as markup", async () => {
      const page = await openPage();
      const id = await logIn(page, NAME);
      expect(await resp.command("GET", `session:${id}`)).toBe(NAME);
      expect(await textOf(page.locator("#who"))).toBe(NAME);
      await page.getByRole("button", { name: "GET /profile" }).click();
      await says(page, "The protected route let you in");
      expect(await status(page)).toBe("200 OK");
      const secretData = "This came from protected route";
      expect(JSON.parse(await body(page))).toEqual({ username: NAME, secretData });
      expect(await page.locator("#who b, #body b").count()).toBe(0);
    });

    test("a reload keeps the login", async () => {
      const page = await openPage();
      const id = await logIn(page, NAME);
      await page.reload();
      await says(page, "Still logged in");
      expect(await textOf(page.locator("#who"))).toBe(NAME);
      expect(JSON.parse(await body(page))).toMatchObject({ username: NAME, sessionId: id });
    });

    test("fills the real id into the lines to try, and copies them", async () => {
      await context.grantPermissions(["clipboard-read", "clipboard-write"]);
      const page = await openPage();
      expect(await page.getByRole("button", { name: "Copy GET" }).isDisabled()).toBe(true);
      const id = await logIn(page, "ada");
      for (const [name, line] of [
        ["KEYS", "KEYS *"],
        ["GET", `GET session:${id}`],
        ["TTL", `TTL session:${id}`],
        ["EXPIRE", `EXPIRE session:${id} 10`],
        ["DEL", `DEL session:${id}`],
        ["curl", `curl -H "x-session-id: ${id}" ${server.url}/profile`],
      ] as const) {
        await page.getByRole("button", { name: `Copy ${name}` }).click();
        await says(page, `Copied: ${line}`);
        expect(await page.evaluate("navigator.clipboard.readText()")).toBe(line);
      }
    });

    test("counts down to the end in Redis, also on a machine whose clock is wrong", async () => {
      const page = await context.newPage();
      await page.addInitScript("Date.now = () => 0");
      await openPage(page);
      const id = await logIn(page, "ada");
      const inRedis = async (): Promise<number> =>
        Number(await resp.command("TTL", `session:${id}`));
      await until(async () => Math.abs((await shownTtl(page)) - (await inRedis())) <= 2);
      const atFirst = await shownTtl(page);
      await until(async () => (await shownTtl(page)) <= atFirst - 2);
      expect(await textOf(page.getByRole("timer"))).toMatch(/^59:\d\d$/);
    });

    test("follows a shorter TTL to its end, and says that Redis ended the login", async () => {
      const page = await openPage();
      const id = await logIn(page, "ada");
      await resp.command("PEXPIRE", `session:${id}`, "60000");
      await until(async () => (await shownTtl(page)) <= 60);
      await resp.command("PEXPIRE", `session:${id}`, "3000");
      await says(page, "Redis logged you out: the TTL reached 0, and the key is gone.");
      await page.getByRole("button", { name: "Log in" }).waitFor();
    });

    test("asks at the end of the countdown, not only at its next look", async () => {
      const page = await openPage();
      const id = await logIn(page, "ada");
      await page.route("**/page.js", async (route) => {
        const script = await (await route.fetch()).text();
        const body = script.replace("LOOK_EVERY_MS = 2_000", "LOOK_EVERY_MS = 600_000");
        expect(body).not.toBe(script);
        await route.fulfill({ contentType: "text/javascript", body });
      });
      await resp.command("PEXPIRE", `session:${id}`, "3000");
      await page.reload();
      await says(page, "Redis logged you out: the TTL reached 0, and the key is gone.");
    });

    test("a key that is gone early ends the login in front of the user's eyes", async () => {
      const page = await openPage();
      const id = await logIn(page, "ada");
      await resp.command("PEXPIRE", `session:${id}`, "1");
      await says(page, "Redis logged you out: the key is gone early");
      expect(await status(page)).toBe("401 Unauthorized");
      expect(JSON.parse(await body(page))).toMatchObject({ title: "Invalid session" });
      const next = await logIn(page, "ada");
      expect(next).not.toBe(id);
    });

    test("logging out removes the key; all of it works by keyboard", async () => {
      const page = await openPage();
      await says(page, "Nobody is logged in here yet");
      await page.keyboard.press("Tab");
      await page.keyboard.type("ada");
      await page.keyboard.press("Enter");
      await says(page, "Redis now holds this login");
      await page.keyboard.press("Enter");
      await says(page, "The protected route let you in");
      expect(await resp.command("KEYS", "session:*")).toHaveLength(1);
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      await says(page, "You logged out");
      expect(await status(page)).toBe("204 No Content");
      expect(await resp.command("KEYS", "session:*")).toEqual([]);
      await page.keyboard.type("bob");
      expect(await page.getByLabel("Username").inputValue()).toBe("adabob");
    });

    test("another tab learns of a logout with its next action", async () => {
      const one = await openPage();
      await logIn(one, "ada");
      const other = await openPage();
      await says(other, "Still logged in");
      // It would see it by looking, too. Here its looks get no answer.
      await other.route("**/auth/session", () => {});
      await one.getByRole("button", { name: "Log out" }).click();
      await says(one, "You logged out");
      await other.getByRole("button", { name: "GET /profile" }).click();
      await says(other, "Redis logged you out");
      await other.getByRole("button", { name: "Log in" }).waitFor();
    });

    test("a network that is down is no logout", async () => {
      const page = await openPage();
      await logIn(page, "ada");
      await context.setOffline(true);
      await page.getByRole("button", { name: "GET /profile" }).click();
      await says(page, "The server does not answer");
      await context.setOffline(false);
      await says(page, "It answers again, and you are still logged in");
    });

    test("a Redis that hangs is no logout, also over a reload", async () => {
      const page = await openPage();
      await logIn(page, "ada");
      await redis.kill("SIGSTOP");
      try {
        await page.getByRole("button", { name: "GET /profile" }).click();
        await says(page, "The server cannot reach Redis");
        expect(await status(page)).toBe("503 Service Unavailable");
        await page.reload();
        await says(page, "The server cannot reach Redis");
        expect(await page.getByRole("button", { name: "Log in" }).count()).toBe(0);
      } finally {
        await redis.kill("SIGCONT");
      }
      await says(page, "Still logged in");
    });

    test("fits a narrow phone, with the widest of names", async () => {
      const page = await openPage();
      await page.setViewportSize({ width: 320, height: 640 });
      await logIn(page, "W".repeat(64));
      await page.getByRole("button", { name: "GET /profile" }).click();
      await says(page, "The protected route let you in");
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(320);
    });
  },
);

async function openPage(opened?: Page): Promise<Page> {
  const page = opened ?? (await context.newPage());
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    const isExpected = EXPECTED_LOG.test(message.text()) && API.test(message.location().url);
    const isBad = message.type() === "error" || message.type() === "warning";
    if (isBad && !isExpected) complaints.push(`${message.location().url} ${message.text()}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(`${server.url}/`)) complaints.push(request.url());
  });
  await page.goto(`${server.url}/`);
  return page;
}

/** Logs in by the form and waits until the time left is known; the session id. */
async function logIn(page: Page, name: string): Promise<string> {
  await page.getByLabel("Username").fill(name);
  await page.getByRole("button", { name: "Log in" }).click();
  await says(page, "Redis now holds this login");
  const { sessionId } = JSON.parse(await body(page));
  await page.getByText(/^TTL \d+$/).waitFor();
  return sessionId;
}

/** Waits until a live region of the page says this. */
async function says(page: Page, words: string): Promise<void> {
  await page.getByRole("status").filter({ hasText: words }).waitFor();
}

async function status(page: Page): Promise<string> {
  return textOf(page.locator("#status"));
}

async function body(page: Page): Promise<string> {
  return textOf(page.locator("#body"));
}

/** What stands in the place where redis-cli would answer to TTL. */
async function shownTtl(page: Page): Promise<number> {
  const text = await textOf(page.locator("#ttl"));
  return Number(/^TTL (\d+)$/.exec(text)?.[1]);
}

async function textOf(place: Locator): Promise<string> {
  return (await place.textContent()) ?? "";
}
