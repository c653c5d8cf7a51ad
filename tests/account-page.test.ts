/** The account page: how one gets in, what goes wrong on the way, and who can use it. */
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  AccountStage,
  barriers,
  hasChromium,
  logIn,
  NEW_PASSWORD,
  PASSWORD,
  says,
  typeLogin,
} from "./support/account-page.ts";

const WAIT_MAX = "01:00:00";

let stage: AccountStage;

describe.skipIf(!hasChromium)(
  hasChromium ? "the account page" : "the account page (skipped: no Chromium on this machine)",
  () => {
    beforeAll(async () => {
      stage = await AccountStage.open();
    });
    afterAll(() => stage?.close());
    beforeEach(() => stage.reset());
    afterEach(() => stage.endTest());

    test("is one page under a policy that allows nothing from elsewhere (ADM-3)", async () => {
      const { page } = await stage.device();
      const answer = await page.reload();
      const policy = answer?.headers()["content-security-policy"] ?? "";
      expect(policy).toMatch(/^default-src 'none'/);
      expect(policy).not.toContain("unsafe");
      await page.getByRole("heading", { name: "Log in" }).waitFor();
    });

    test("a violation of the policy would be noticed by these tests", async () => {
      const { page } = await stage.device();
      await page.evaluate("document.body.append(document.createElement('style'))");
      await page.evaluate("document.querySelector('style').textContent = 'p { color: red }'");
      await expect.poll(() => stage.complaints.length).toBeGreaterThan(0);
      expect(stage.complaints.splice(0).join()).toContain("Content Security Policy");
    });

    test("who creates an account is logged in, with a cookie and nothing else (ADM-3)", async () => {
      const { page, context } = await stage.device();
      await page.getByRole("link", { name: "Create one" }).click();
      await typeLogin(page, "Ada");
      await page.getByRole("button", { name: "Create account" }).click();
      await says(page, "Your account is made, and you are logged in.");
      await page.getByRole("heading", { name: "Logged in as ada" }).waitFor();
      const cookies = await context.cookies();
      expect(cookies.map(({ name }) => name).sort()).toEqual(["__Host-device", "__Host-sid"]);
      expect(cookies.every(({ httpOnly, secure }) => httpOnly && secure)).toBe(true);
      expect(
        await page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]"),
      ).toEqual(["", 0, 0]);
      expect(await valuesIn(page)).not.toContain(PASSWORD);
      expect(new URL(page.url()).hash).toBe("");
    });

    test("a taken name is said, and what was typed stays", async () => {
      await stage.register("ada");
      const { page } = await stage.device(undefined, "/#register");
      await typeLogin(page, "ada", NEW_PASSWORD);
      await page.getByRole("button", { name: "Create account" }).click();
      await page.getByRole("alert").filter({ hasText: "The username is taken." }).waitFor();
      expect(await page.getByLabel("Username").locator("visible=true").inputValue()).toBe("ada");
    });

    test.each([
      ["nothing", "", "", "Username must not be empty.", "Password must not be empty."],
      ["a long name", "a".repeat(65), PASSWORD, "Username must be at most 64 code points.", ""],
      ["a short one", "ada", "short", "", "Password must be at least 15 characters long."],
      ["a weak one", "ada", "123456789012345", "", "Password is easy to guess"],
    ])("says what is wrong at its field: %s", async (_what, username, password, first, second) => {
      const { page } = await stage.device(undefined, "/#register");
      await typeLogin(page, username, password);
      await page.getByRole("button", { name: "Create account" }).click();
      const wrong = page.locator("[aria-invalid=true]");
      await wrong.first().waitFor();
      expect(await page.locator("#register-username-problem").textContent()).toBe(first);
      expect(await page.locator("#register-password-problem").textContent()).toContain(second);
      expect(await wrong.count()).toBe([first, second].filter(Boolean).length);
      expect(await focusedId(page)).toBe(await wrong.first().getAttribute("id"));
      // Not twice: at the fields, and once more over all of them.
      expect(await page.locator("#register .problem[role=alert]").textContent()).toBe("");
    });

    test("a wrong password and an unknown name are one and the same answer (ENU-1)", async () => {
      await stage.register("ada");
      const { page } = await stage.device();
      const problem = page.locator("#login .problem[role=alert]");
      const words: (string | null)[] = [];
      for (const name of ["ada", "nobody"]) {
        await typeLogin(page, name, "nicht das richtige");
        await page.getByRole("button", { name: "Log in" }).click();
        await problem.filter({ hasText: /./ }).waitFor();
        words.push(await problem.textContent());
        expect(await focusedId(page)).toBe("login-password");
      }
      expect(words).toEqual(Array(2).fill("Wrong username or password."));
      await logIn(page, "ada");
    });

    test("who has to wait sees how long, and can go on when it is over (THR-6)", async () => {
      await stage.register("ada");
      const { page } = await stage.device();
      // Stands still: how long the server and this machine take is not counted down.
      await page.clock.install({ time: 0 });
      await page.clock.pauseAt(1_000);
      const timer = page.getByRole("timer");
      const submit = page.getByRole("button", { name: "Log in" });
      await typeLogin(page, "ada", "nicht das richtige");
      while ((await timer.count()) === 0) {
        await submit.click();
        await page.locator("#login form:not([aria-busy])").waitFor();
      }
      expect(await page.locator("#login .problem[role=alert]").textContent()).toMatch(
        /^Too many attempts: try again later\. Wait \d+ s\.$/,
      );
      expect(await submit.getAttribute("aria-disabled")).toBe("true");
      const asked = countRequests(page, "/auth/login");
      await page.locator("#login-password").press("Enter");
      expect(asked()).toBe(0);
      await page.clock.fastForward(WAIT_MAX);
      await page.getByText("You can try again now.").waitFor();
      expect(await submit.getAttribute("aria-disabled")).toBeNull();
    });

    test("the wait of one name is not that of another", async () => {
      await stage.register("ada");
      await stage.register("bob");
      const { page } = await stage.device();
      await typeLogin(page, "ada", "nicht das richtige");
      while ((await page.getByRole("timer").count()) === 0) {
        await page.getByRole("button", { name: "Log in" }).click();
        await page.locator("#login form:not([aria-busy])").waitFor();
      }
      await logIn(page, "bob");
    });

    test("shows a password as long as somebody wants to see it, and not when it is sent", async () => {
      const { page } = await stage.device();
      const input = page.locator("#login-password");
      await typeLogin(page, "ada");
      await page.getByRole("button", { name: "Show password" }).click();
      expect(await input.getAttribute("type")).toBe("text");
      await page.getByRole("button", { name: "Hide password" }).click();
      expect(await input.getAttribute("type")).toBe("password");
      await page.getByRole("button", { name: "Show password" }).click();
      await page.getByRole("button", { name: "Log in" }).click();
      await page.getByRole("alert").filter({ hasText: "Wrong" }).waitFor();
      expect(await input.getAttribute("type")).toBe("password");
    });

    test("says that Caps Lock is on", async () => {
      const { page } = await stage.device();
      const press = (modifierCapsLock: boolean): Promise<void> =>
        page.locator("#login-password").dispatchEvent("keyup", { key: "A", modifierCapsLock });
      await press(true);
      await page.getByText("Caps Lock is on.").waitFor();
      await press(false);
      expect(await page.getByText("Caps Lock is on.").count()).toBe(0);
    });

    test("tells password managers which field is which", async () => {
      const { page } = await stage.device();
      const kinds = await page
        .locator("input")
        .evaluateAll((inputs) => inputs.map(({ id, autocomplete }) => `${id} ${autocomplete}`));
      expect(kinds).toEqual([
        "login-username username",
        "login-password current-password",
        "register-username username",
        "register-password new-password",
        "enrol-token off",
        "enrol-username username",
        "enrol-password new-password",
        "change-username username",
        "change-current current-password",
        "change-next new-password",
        "reauth-username username",
        "reauth-password current-password",
      ]);
    });

    test("all of it works by keyboard", async () => {
      await stage.register("ada");
      const { page } = await stage.device();
      await page.getByRole("heading", { name: "Log in" }).waitFor();
      await page.keyboard.type("ada");
      await page.keyboard.press("Tab");
      await page.keyboard.type(PASSWORD);
      await page.keyboard.press("Enter");
      await says(page, "You are logged in.");
      expect(await focusedId(page)).toBe("who");
      await page.getByRole("listitem").first().waitFor();
      await page.keyboard.press("Tab");
      expect(await focusedId(page)).toBe("logout");
      await page.keyboard.press("Enter");
      await says(page, "You are logged out.");
      expect(await focusedId(page)).toBe("login-username");
      expect(await stage.keys("session:*")).toEqual([]);
    });

    test("nothing of who was logged in is left in the page, nor comes back with a reload", async () => {
      await stage.register("countess");
      const { page } = await stage.loggedIn("countess");
      await page.locator("summary").click();
      await page.getByLabel("New password", { exact: true }).fill(NEW_PASSWORD);
      await page.getByRole("button", { name: "Log out" }).click();
      await says(page, "You are logged out.");
      for (const text of [await page.content(), ...(await valuesIn(page))]) {
        expect(text).not.toContain("countess");
        expect(text).not.toContain(NEW_PASSWORD);
      }
      await page.reload();
      await page.getByRole("heading", { name: "Log in" }).waitFor();
    });

    test("a name is text, never markup (ADM-3)", async () => {
      const name = "<img src=x onerror=alert(1)>";
      await stage.register(name);
      const { page } = await stage.loggedIn(name);
      expect(await page.locator("#username").textContent()).toBe(name);
      expect(await page.locator("main img").count()).toBe(0);
    });

    test("has no barrier that axe knows, in any view, in light and dark", async () => {
      await stage.register("ada");
      await stage.loggedIn("ada", "Safari on iPhone");
      const { page } = await stage.device();
      const check = async (view: string): Promise<void> => {
        for (const colorScheme of ["light", "dark"] as const) {
          await page.emulateMedia({ colorScheme });
          expect(await barriers(page), `${view}, ${colorScheme}`).toEqual([]);
        }
      };
      await page.getByRole("button", { name: "Log in" }).click();
      await page.locator("[aria-invalid=true]").first().waitFor();
      await check("login, with problems");
      await page.getByRole("link", { name: "Create one" }).click();
      await page.getByRole("heading", { name: "Create an account" }).waitFor();
      await check("register");
      await page.getByRole("link", { name: "Use it" }).click();
      await page.getByRole("heading", { name: "Use an enrolment token" }).waitFor();
      await check("enrol");
      await page.getByRole("link", { name: "Log in" }).click();
      await page.getByRole("heading", { name: "Log in" }).waitFor();
      await logIn(page, "ada");
      await page.locator("summary").click();
      await check("account");
      await page.getByRole("button", { name: "Sign out all other devices" }).click();
      await check("are you sure");
      await page.getByRole("button", { name: "Cancel" }).click();
      await stage.elapse(11 * 60_000);
      await page.getByRole("button", { name: "Sign out Safari on iPhone" }).click();
      await page.getByRole("dialog").waitFor();
      await check("password asked");
    });

    test("fits a narrow phone, with the widest of names", async () => {
      const name = "w".repeat(64);
      await stage.register(name);
      await stage.loggedIn(name, "Safari on iPhone");
      const { page } = await stage.device();
      await page.setViewportSize({ width: 320, height: 640 });
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(320);
      await logIn(page, name);
      await page.locator("summary").click();
      const widest = `Math.max(...[...document.querySelectorAll("main *")].map(
        (node) => node.getBoundingClientRect().right))`;
      expect(await page.evaluate(widest)).toBeLessThanOrEqual(320);
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(320);
    });
  },
);

/** What stands in the fields: it is no part of the markup. */
function valuesIn(page: Page): Promise<string[]> {
  return page.locator("input").evaluateAll((inputs) => inputs.map(({ value }) => value));
}

function focusedId(page: Page): Promise<string> {
  return page.evaluate("document.activeElement?.id");
}

/** How often this path is asked for, from now on. */
function countRequests(page: Page, path: string): () => number {
  let count = 0;
  page.on("request", (request) => {
    if (new URL(request.url()).pathname === path) count++;
  });
  return () => count;
}
