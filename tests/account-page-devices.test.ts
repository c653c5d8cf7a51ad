/** The account page: where one is logged in, and how that ends, here and elsewhere. */
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  AccountStage,
  devices,
  hasChromium,
  logIn,
  NEW_PASSWORD,
  PASSWORD,
  says,
  typeLogin,
} from "./support/account-page.ts";
import { until } from "./support/until.ts";

/** Past the ten minutes in which a login counts as fresh. */
const STALE_MS = 11 * 60_000;
const PHONE = "Safari on iPhone";
const DESKTOP = "Firefox on Linux";

let stage: AccountStage;

describe.skipIf(!hasChromium)(
  hasChromium ? "your devices" : "your devices (skipped: no Chromium on this machine)",
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

    test("lists each login by what it is called, where and when; this one first", async () => {
      const { page } = await stage.loggedIn("ada", DESKTOP);
      // Less than makes the reload a new use: the phone stays the one that was used last.
      await stage.elapse(2.5 * 60_000);
      await stage.loggedIn("ada", PHONE);
      await see(page, 2);
      expect(await devices(page)).toEqual([DESKTOP, PHONE]);
      const [own, phone] = await page.getByRole("listitem").allTextContents();
      expect(own).toBe(
        `${DESKTOP} This devicefrom 127.0.0.0/24first seen 2 minutes agolast seen 2 minutes ago`,
      );
      expect(phone).toBe(`${PHONE}from 127.0.0.0/24first seen just nowlast seen just nowSign out`);
      const instant = await page.locator("#devices time").first().getAttribute("datetime");
      expect(Date.now() - Date.parse(instant ?? "")).toBeGreaterThan(2.5 * 60_000);
    });

    test("signs out one: it is told, and gone from the list", async () => {
      const { page } = await stage.loggedIn("ada", DESKTOP);
      const phone = await stage.loggedIn("ada", PHONE);
      await see(page, 2);
      await page.getByRole("button", { name: `Sign out ${PHONE}` }).click();
      await says(page, `${PHONE} is signed out.`);
      expect(await devices(page)).toEqual([DESKTOP]);
      expect(await focusedId(page)).toBe("devices-title");
      await phone.page.reload();
      await phone.page.getByRole("heading", { name: "Log in" }).waitFor();
    });

    test("one that has ended meanwhile is no failure", async () => {
      const { page } = await stage.loggedIn("ada", DESKTOP);
      const phone = await stage.loggedIn("ada", PHONE);
      await see(page, 2);
      await phone.page.getByRole("button", { name: "Log out" }).click();
      await says(phone.page, "You are logged out.");
      await page.getByRole("button", { name: `Sign out ${PHONE}` }).click();
      await says(page, `${PHONE} was signed out already.`);
      expect(await devices(page)).toEqual([DESKTOP]);
    });

    test("signs out all others after one more question, and none if that is answered no", async () => {
      const { page } = await stage.loggedIn("ada", DESKTOP);
      await stage.loggedIn("ada", PHONE);
      await stage.loggedIn("ada", PHONE);
      await see(page, 3);
      const others = page.getByRole("button", { name: "Sign out all other devices" });
      await others.click();
      await page.getByRole("dialog", { name: "Sign out 2 other devices?" }).waitFor();
      await page.getByRole("button", { name: "Cancel" }).click();
      await others.click();
      await page.keyboard.press("Escape");
      expect(await stage.keys("session:*")).toHaveLength(3);
      await others.click();
      await page.getByRole("button", { name: "Sign them out" }).click();
      await says(page, "All other devices are signed out.");
      expect(await devices(page)).toEqual([DESKTOP]);
      expect(await others.count()).toBe(0);
    });

    test("asks for the password where the login is old, and then does what was asked", async () => {
      const { page } = await stage.loggedIn("ada", DESKTOP);
      await stage.loggedIn("ada", PHONE);
      await stage.elapse(STALE_MS);
      await see(page, 2);
      const signOut = page.getByRole("button", { name: `Sign out ${PHONE}` });
      await signOut.click();
      const dialog = page.getByRole("dialog", { name: "Is it still you?" });
      await dialog.waitFor();
      await page.keyboard.press("Escape");
      await dialog.waitFor({ state: "hidden" });
      expect(await devices(page)).toEqual([DESKTOP, PHONE]);
      await signOut.click();
      await dialog.getByLabel("Password", { exact: true }).fill("nicht das richtige");
      await page.keyboard.press("Enter");
      await dialog.getByText("Password is wrong.").waitFor();
      await dialog.getByLabel("Password", { exact: true }).fill(PASSWORD);
      await page.keyboard.press("Enter");
      await says(page, `${PHONE} is signed out.`);
      expect(await devices(page)).toEqual([DESKTOP]);
    });

    test("a changed password signs out all others, and is the one that counts", async () => {
      const { page } = await stage.loggedIn("ada", DESKTOP);
      const phone = await stage.loggedIn("ada", PHONE);
      await page.locator("summary").click();
      const fill = async (current: string, next: string): Promise<void> => {
        await page.getByLabel("Current password", { exact: true }).fill(current);
        await page.getByLabel("New password", { exact: true }).fill(next);
        await page.getByRole("button", { name: "Change password" }).click();
      };
      await fill("nicht das richtige", NEW_PASSWORD);
      await page.getByText("Current password is wrong.").waitFor();
      await fill(PASSWORD, "kurz");
      await page.getByText("New password must be at least 15 characters long.").waitFor();
      await fill(PASSWORD, NEW_PASSWORD);
      await says(page, "Your password is changed, and all other devices are signed out.");
      expect(await devices(page)).toEqual([DESKTOP]);
      await phone.page.reload();
      await phone.page.getByRole("heading", { name: "Log in" }).waitFor();
      await typeLogin(phone.page, "ada", PASSWORD);
      await phone.page.getByRole("button", { name: "Log in" }).click();
      await phone.page.getByText("Wrong username or password.").waitFor();
      await logIn(phone.page, "ada", NEW_PASSWORD);
    });

    test("a network that is down is no logout", async () => {
      const { page, context } = await stage.loggedIn("ada", DESKTOP);
      await context.setOffline(true);
      await page.getByRole("button", { name: "Log out" }).click();
      await says(page, "The server does not answer. Nothing was lost");
      await page.getByRole("heading", { name: "Logged in as ada" }).waitFor();
      await context.setOffline(false);
      await page.getByRole("button", { name: "Log out" }).click();
      await says(page, "You are logged out.");
    });

    test("a Redis that hangs is no logout, also over a reload", async () => {
      const { page, context } = await stage.loggedIn("ada", DESKTOP);
      await stage.redis.kill("SIGSTOP");
      try {
        // For a second the server still knows the session by heart.
        const session = `${stage.front.origin}/auth/session`;
        await until(async () => (await context.request.get(session)).status() === 503);
        await page.reload();
        await says(page, "Nothing was lost: try again in a moment.");
        expect(await page.getByRole("button", { name: "Log in" }).count()).toBe(0);
      } finally {
        await stage.redis.kill("SIGCONT");
      }
      await page.getByRole("heading", { name: "Logged in as ada" }).waitFor();
    });

    test("a logout that Redis could not hear is told as what it is", async () => {
      const { page, context } = await stage.loggedIn("ada", DESKTOP);
      await stage.redis.kill("SIGSTOP");
      try {
        await page.getByRole("button", { name: "Log out" }).click();
        await says(page, "This browser has forgotten the login, but the server could not end it");
        expect((await context.cookies()).map(({ name }) => name)).not.toContain("__Host-sid");
      } finally {
        await stage.redis.kill("SIGCONT");
      }
    });

    test("the first user enrols with the token of the server's first start", async () => {
      const own = await AccountStage.open({ AUTH_REGISTRATION: "closed" });
      try {
        const { page } = await own.device(DESKTOP, "/#register");
        await page.getByText("Nobody can register here.").waitFor();
        await page.getByRole("link", { name: "Use it" }).click();
        const token = /POST \/auth\/enrol, token ([\w-]+)/.exec(own.server.output())?.[1] ?? "";
        await page.getByLabel("Token", { exact: true }).fill(token);
        await typeLogin(page, "ada");
        await page.getByRole("button", { name: "Create account" }).click();
        await says(page, "Your account is made, and you are logged in.");
        await own.endTest();
      } finally {
        await own.close();
      }
    });
  },
);

/** Reloads until so many devices are on show. */
async function see(page: Page, count: number): Promise<void> {
  await page.reload();
  await page
    .getByRole("listitem")
    .nth(count - 1)
    .waitFor();
  expect(await page.getByRole("listitem").count()).toBe(count);
}

function focusedId(page: Page): Promise<string> {
  return page.evaluate("document.activeElement?.id");
}
