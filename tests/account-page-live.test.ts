/** The account page hears from the server that its login is about to end, or has ended. */
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  AccountStage,
  barriers,
  devices,
  hasChromium,
  logIn,
  NEW_PASSWORD,
  PASSWORD,
  says,
} from "./support/account-page.ts";

const PHONE = "Safari on iPhone";
const DESKTOP = "Firefox on Linux";
/** Half a minute before the end of half an hour, and of twelve hours. */
const NEARLY_IDLE_MS = 29.5 * 60_000;
const NEARLY_ABSOLUTE_MS = 12 * 3_600_000 - 30_000;

let stage: AccountStage;

describe.skipIf(!hasChromium)(
  hasChromium ? "live log-out" : "live log-out (skipped: no Chromium on this machine)",
  () => {
    beforeAll(async () => {
      stage = await AccountStage.open();
    });
    afterAll(() => stage?.close());
    beforeEach(async () => {
      await stage.reset();
      await stage.register("ada");
    });
    afterEach(() => stage.endTest());

    test("a page that is signed out elsewhere says so, and shows the form (END-10)", async () => {
      const { page } = await stage.loggedIn("ada", PHONE);
      await page.locator("summary").click();
      await page.getByLabel("Current password", { exact: true }).fill(PASSWORD);
      const desktop = await stage.loggedIn("ada", DESKTOP);
      await desktop.page.getByRole("button", { name: `Sign out ${PHONE}` }).click();
      await says(page, "You were logged out from elsewhere");
      await page.getByRole("heading", { name: "Log in" }).waitFor();
      expect(await page.evaluate("document.activeElement?.id")).toBe("login-username");
      expect(await page.locator("#username").textContent()).toBe("");
      expect(await page.locator("#change-current").inputValue()).toBe("");
      await desktop.page.getByRole("heading", { name: "Logged in as ada" }).waitFor();
    });

    test("an open question is closed with the login it is about", async () => {
      const { page } = await stage.loggedIn("ada", PHONE);
      const desktop = await stage.loggedIn("ada", DESKTOP);
      await page.reload();
      await page.getByRole("button", { name: "Sign out all other devices" }).click();
      await page.getByRole("dialog").waitFor();
      await desktop.page.getByRole("button", { name: `Sign out ${PHONE}` }).click();
      await says(page, "You were logged out from elsewhere");
      expect(await page.getByRole("dialog").count()).toBe(0);
    });

    test("a key deleted by hand ends it as well", async () => {
      const { page } = await stage.loggedIn("ada");
      await stage.resp.command("DEL", ...(await stage.keys("session:*")));
      await says(page, "You are not logged in any more");
    });

    test("a logout in one tab is one in all of them", async () => {
      const { page, context } = await stage.loggedIn("ada");
      const other = await stage.tab(context);
      await other.getByRole("heading", { name: "Logged in as ada" }).waitFor();
      await page.getByRole("button", { name: "Log out" }).click();
      await says(other, "You are not logged in any more");
      await says(page, "You are logged out.");
    });

    test("a changed password ends the others, and not the tabs of this browser", async () => {
      const { page, context } = await stage.loggedIn("ada", DESKTOP);
      const tab = await stage.tab(context);
      await tab.getByRole("heading", { name: "Logged in as ada" }).waitFor();
      const phone = await stage.loggedIn("ada", PHONE);
      await page.locator("summary").click();
      await page.getByLabel("Current password", { exact: true }).fill(PASSWORD);
      await page.getByLabel("New password", { exact: true }).fill(NEW_PASSWORD);
      const listensAnew = tab.waitForResponse((answer) => answer.url().endsWith("/auth/events"));
      await page.getByRole("button", { name: "Change password" }).click();
      await says(page, "Your password is changed");
      await listensAnew;
      await says(phone.page, "You were logged out from elsewhere");
      for (const mine of [page, tab]) {
        await mine.getByRole("heading", { name: "Logged in as ada" }).waitFor();
      }
      // Each listens with its new token: it hears of the end of that one, too.
      await logIn(phone.page, "ada", NEW_PASSWORD);
      await phone.page.getByRole("button", { name: `Sign out ${DESKTOP}` }).click();
      for (const mine of [page, tab]) await says(mine, "You were logged out from elsewhere");
    });

    test("an old login: the password is asked for, and the page goes on listening", async () => {
      const { page } = await stage.loggedIn("ada", DESKTOP);
      const phone = await stage.loggedIn("ada", PHONE);
      await stage.elapse(11 * 60_000);
      await page.reload();
      await page.getByRole("button", { name: `Sign out ${PHONE}` }).click();
      await enterPassword(page);
      await says(page, `${PHONE} is signed out.`);
      await says(phone.page, "You were logged out from elsewhere");
      await logIn(phone.page, "ada");
      await phone.page.getByRole("button", { name: `Sign out ${DESKTOP}` }).click();
      await says(page, "You were logged out from elsewhere");
    });

    test("before the idle end it warns, and one click is a use", async () => {
      const { page } = await stage.loggedIn("ada");
      await stage.elapse(NEARLY_IDLE_MS);
      const warning = page.getByRole("alert").filter({ hasText: /This login ends at \d\d:\d\d/ });
      await warning.waitFor();
      expect(await barriers(page)).toEqual([]);
      await page.getByRole("button", { name: "Stay logged in" }).click();
      await says(page, "You stay logged in.");
      expect(await page.getByRole("button", { name: "Stay logged in" }).count()).toBe(0);
      expect(await lifeOfSession()).toBeGreaterThan(20 * 60_000);
    });

    test("before the absolute end no use helps: the password begins a new login", async () => {
      const { page } = await stage.loggedIn("ada");
      // Used all along, the idle end is not the nearer one.
      for (let rest = NEARLY_ABSOLUTE_MS; rest > 0; rest -= 20 * 60_000) {
        await stage.elapse(Math.min(rest, 20 * 60_000));
        await page.reload();
        await page.getByRole("heading", { name: "Logged in as ada" }).waitFor();
      }
      await page.getByRole("button", { name: "Stay logged in" }).click();
      await enterPassword(page);
      await says(page, "You stay logged in.");
      expect(await lifeOfSession()).toBeGreaterThan(20 * 60_000);
    });

    test("a login that runs out says that its time was over", async () => {
      const { page } = await stage.loggedIn("ada");
      await stage.elapse(NEARLY_IDLE_MS);
      await page.getByRole("button", { name: "Stay logged in" }).waitFor();
      const [key = ""] = await stage.keys("session:*");
      await stage.resp.command("PEXPIRE", key, "1500");
      await says(page, "You were logged out: the time of this login was over.");
    });

    test("another login in this browser takes the place of the one before", async () => {
      await stage.register("bob");
      const { page, context } = await stage.loggedIn("ada");
      // As another tab sends it: the browser has one cookie for both.
      const login = await context.request.post(`${stage.front.origin}/auth/login`, {
        headers: { origin: stage.front.origin, "sec-fetch-site": "same-origin" },
        data: { username: "bob", password: PASSWORD },
      });
      expect(login.status()).toBe(200);
      await says(page, "Another tab has logged in as bob.");
      await page.getByRole("heading", { name: "Logged in as bob" }).waitFor();
      expect(await devices(page)).toHaveLength(1);
    });

    test("a server that comes back is listened to again", async () => {
      const { page } = await stage.loggedIn("ada", PHONE);
      const desktop = await stage.loggedIn("ada", DESKTOP);
      const lost = page.waitForEvent("requestfailed");
      stage.front.dropAll();
      await lost;
      await page.waitForResponse((response) => response.url().endsWith("/auth/events"));
      await desktop.page.getByRole("button", { name: `Sign out ${PHONE}` }).click();
      await says(page, "You were logged out from elsewhere");
      expect(await devices(desktop.page)).toEqual([DESKTOP]);
    });

    test("an open page asks nothing by itself, so it does not keep its login alive", async () => {
      const { page } = await stage.loggedIn("ada");
      await page.clock.install();
      await page.reload();
      await page.getByRole("listitem").waitFor();
      const asked: string[] = [];
      page.on("request", (request) => asked.push(request.url()));
      // Every timer of the page runs, and runs again: what is "ago" is put right.
      await page.clock.runFor(10 * 60_000);
      await page.getByText("first seen 10 minutes ago").waitFor();
      expect(asked).toEqual([]);
    });
  },
);

async function enterPassword(page: Page): Promise<void> {
  const dialog = page.getByRole("dialog", { name: "Is it still you?" });
  await dialog.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await dialog.getByRole("button", { name: "Confirm" }).click();
}

/** What is left of the only session, in ms. */
async function lifeOfSession(): Promise<number> {
  const [key = ""] = await stage.keys("session:*");
  return Number(await stage.resp.command("PTTL", key));
}
