/** The account page in real browsers: TLS in front of the built production server, on a real Redis. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { expect } from "vitest";
import { selfSigned } from "./certificate.ts";
import { type HttpsFront, startHttpsFront } from "./https-front.ts";
import { productionEnv } from "./production-env.ts";
import { keyspace } from "./redis-keyspace.ts";
import { startRedis, type TestRedis } from "./redis-server.ts";
import { connectResp, type Resp } from "./resp.ts";
import { startServer, type TestServer } from "./server.ts";

/** Found, or installed, by global setup. */
export const hasChromium: boolean = (process.env["CHROMIUM_PATH"] ?? "") !== "";
export const PASSWORD = "vogel mondlicht zahnrad";
export const NEW_PASSWORD = "kessel otter violine tau";
/** User-Agents by what the page is to make of them. */
export const AGENTS = {
  "Firefox on Linux": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
  "Safari on iPhone":
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
} as const;
export type Agent = keyof typeof AGENTS;

/** Only ends a test that has failed: a browser started for the first time can take a while. */
const ACTION_LIMIT_MS = 60_000;
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
/** What a browser logs for each answer that is no success. These answers are what we ask for. */
const EXPECTED_LOG =
  /^Failed to load resource: .*(40\d|422|429|503|ERR_(INTERNET_DISCONNECTED|INCOMPLETE_CHUNKED))/;
const MARKER = "auth:profile";

export interface Device {
  readonly context: BrowserContext;
  readonly page: Page;
}

export class AccountStage {
  readonly redis: TestRedis;
  readonly resp: Resp;
  readonly front: HttpsFront;
  readonly server: TestServer;
  /** Console errors, exceptions, CSP violations and requests to elsewhere. */
  readonly complaints: string[] = [];
  readonly #browser: Browser;
  readonly #dir: string;
  readonly #contexts: BrowserContext[] = [];

  private constructor(parts: Pick<AccountStage, "redis" | "resp" | "front" | "server"> & Own) {
    this.redis = parts.redis;
    this.resp = parts.resp;
    this.front = parts.front;
    this.server = parts.server;
    this.#browser = parts.browser;
    this.#dir = parts.dir;
  }

  static async open(env: Readonly<Record<string, string>> = {}): Promise<AccountStage> {
    const dir = await mkdtemp(join(tmpdir(), "latchkey-account-"));
    const [redis, front] = await Promise.all([
      startRedis(),
      selfSigned(dir).then((certificate) => startHttpsFront(certificate)),
    ]);
    const own = { PUBLIC_ORIGIN: front.origin, TRUST_PROXY: "127.0.0.1" };
    const [resp, server, browser] = await Promise.all([
      connectResp(redis.port),
      startServer({
        env: { ...productionEnv(redis.url), AUTH_REGISTRATION: "open", ...own, ...env },
        cwd: dir,
      }),
      chromium.launch({ executablePath: process.env["CHROMIUM_PATH"] ?? "", args: FLAGS }),
    ]);
    front.forwardTo(server.port);
    return new AccountStage({ redis, resp, front, server, browser, dir });
  }

  /** Nobody has an account, nothing is counted, no browser is open. */
  async reset(): Promise<void> {
    this.complaints.length = 0;
    const keys = await this.keys("*");
    const others = keys.filter((key) => key !== MARKER);
    if (others.length > 0) await this.resp.command("DEL", ...others);
  }

  async endTest(): Promise<void> {
    for (const context of this.#contexts.splice(0)) await context.close();
    expect(this.complaints).toEqual([]);
  }

  async close(): Promise<void> {
    await this.#browser.close();
    await this.server.stop();
    await this.front.stop();
    this.resp.close();
    await this.redis.stop();
    await rm(this.#dir, { recursive: true, force: true });
  }

  /** A browser of its own, with the page open in it. */
  async device(agent: Agent | undefined = "Firefox on Linux", path = "/"): Promise<Device> {
    const context = await this.#browser.newContext({
      ignoreHTTPSErrors: true,
      userAgent: AGENTS[agent],
      viewport: { width: 1000, height: 800 },
    });
    this.#contexts.push(context);
    context.setDefaultTimeout(ACTION_LIMIT_MS);
    return { context, page: await this.tab(context, path) };
  }

  /** One more tab of a browser. */
  async tab(context: BrowserContext, path = "/"): Promise<Page> {
    const page = await context.newPage();
    page.on("pageerror", (error) => this.complaints.push(error.stack ?? error.message));
    page.on("console", (message) => {
      const isBad = message.type() === "error" || message.type() === "warning";
      const isExpected = EXPECTED_LOG.test(message.text());
      if (isBad && !isExpected) this.complaints.push(message.text());
    });
    page.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith(`${this.front.origin}/`)) this.complaints.push(url);
    });
    await page.goto(this.front.origin + path);
    return page;
  }

  /** An account, made without a browser. */
  async register(username: string, password = PASSWORD): Promise<void> {
    const made = await fetch(`${this.server.url}/auth/register`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-forwarded-host": new URL(this.front.origin).host,
        "x-forwarded-proto": "https",
      },
      body: JSON.stringify({ username, password }),
    });
    if (made.status !== 201) throw new Error(`not registered: ${made.status} ${await made.text()}`);
  }

  /** A browser that is logged in. */
  async loggedIn(username: string, agent?: Agent): Promise<Device> {
    const device = await this.device(agent);
    await logIn(device.page, username);
    return device;
  }

  async keys(pattern: string): Promise<string[]> {
    const keys = await this.resp.command("KEYS", pattern);
    return Array.isArray(keys) ? keys.map(String) : [];
  }

  /** Makes `ms` pass for all sessions. */
  async elapse(ms: number): Promise<void> {
    await keyspace([this.resp], "session:").elapse(ms);
  }
}

interface Own {
  readonly browser: Browser;
  readonly dir: string;
}

/** Fills in the form of the view that is shown. */
export async function typeLogin(page: Page, username: string, password = PASSWORD): Promise<void> {
  const form = page.locator("main form:visible");
  await form.getByLabel("Username").fill(username);
  await form.getByLabel("Password", { exact: true }).fill(password);
}

export async function logIn(page: Page, username: string, password = PASSWORD): Promise<void> {
  await typeLogin(page, username, password);
  await page.getByRole("button", { name: "Log in" }).click();
  await says(page, "You are logged in.");
  await page.getByRole("listitem").first().waitFor();
}

/** Waits until the page tells this outcome. */
export async function says(page: Page, words: string): Promise<void> {
  await page.locator("#news").filter({ hasText: words }).waitFor();
}

/** The names of the devices in their order. */
export function devices(page: Page): Promise<string[]> {
  return page.locator("#devices li strong").allTextContents();
}

/** What axe finds wrong: one line per rule and place. */
export async function barriers(page: Page): Promise<string[]> {
  // In the page's own world a policy would refuse it; the debugger's protocol puts it there all the same.
  await page.evaluate(await axe());
  const found = await page.evaluate<{
    violations: { id: string; nodes: { html: string; failureSummary: string }[] }[];
  }>(
    "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice'] })",
  );
  return found.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
  );
}

function axe(): Promise<string> {
  return readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
}
