/** Whose session it is: fixation, unknown ids, logout, secrets, and a dump of Redis. */
import { Browser } from "./browser.js";
import { fails, notApplicable, ok } from "./verdict.js";

/** Long enough for all of them. */
const OLD = "old-secret-0123456789-0123456789-0123456789";
const NEW = "new-secret-0123456789-0123456789-0123456789";
const LOGINS = 20;
const NO_CALL = notApplicable("no such call");

export const logins = [
  {
    title: "A login without a call for a new id gives one: the cookie from before is worth nothing",
    run: (context) => afterLogin(context, "/login?user=ada"),
  },
  {
    title:
      "A login with a call for a new id, where the library has one: the cookie from before is worth nothing",
    run: (context) => afterLogin(context, "/login-renewed?user=ada"),
  },
  {
    title: "The call for a new id keeps the session's data",
    async run({ serve, library }) {
      if (!library.renews) return NO_CALL;
      const { browser } = await serve();
      await browser.logIn();
      await browser.change("/set?field=a&value=1");
      await browser.change("/renew");
      return (await browser.get("/me")).body.a === "1" ? ok() : fails("data gone");
    },
  },
  {
    title:
      "A request that comes with the old cookie right after the call for a new id is still logged in",
    async run({ serve, library }) {
      if (!library.renews) return NO_CALL;
      const { browser } = await serve();
      await browser.logIn();
      const sentBefore = browser.copy();
      await browser.change("/renew");
      return (await sentBefore.isLoggedIn()) ? ok() : fails("logged out");
    },
  },
  {
    title: "An id that the store does not know is not taken over",
    async run({ serve, redis, library }) {
      if (library.isStateless) return notApplicable("no store");
      const { browser } = await serve();
      await browser.logIn();
      const before = new Set(await redis.keys());
      await redis.empty();
      await browser.logIn();
      const isBack = (key) => before.has(key) && !library.isIndex?.(key);
      return (await redis.keys()).some(isBack) ? fails("taken over") : ok();
    },
  },
  {
    title: "The call that ends a session also clears its cookie",
    async run({ serve }) {
      const { browser } = await serve();
      await browser.logIn();
      return (await browser.change("/logout")).clears ? ok() : fails("cookie stays");
    },
  },
  {
    title:
      "A new secret before the old one: nobody is logged out, and after two requests that read the old one can go",
    async run({ serve, library }) {
      if (!library.hasSecret) return notApplicable("no secret");
      const { browser } = await serve({ secrets: [OLD] });
      await browser.logIn();
      const both = await serve({ secrets: [NEW, OLD] });
      const there = browser.copy(both.browser.origin);
      for (const _ of [1, 2]) await there.get("/me");
      if (!(await there.isLoggedIn()))
        return fails(library.takesOneSecret ? "takes one" : "logged out");
      const { browser: last } = await serve({ secrets: [NEW] });
      return (await there.copy(last.origin).isLoggedIn()) ? ok() : fails("not re-signed");
    },
  },
  {
    title: "A dump of Redis logs nobody in, with default options",
    run: (context) => withDump(context, { isDefault: true }),
  },
  {
    title: "A dump of Redis and the signing secret log nobody in",
    run: (context) => withDump(context, { secret: OLD }),
  },
  {
    title: `The sessions of ${LOGINS} logins at once are all listed`,
    async run({ serve, library }) {
      if (!library.lists) return NO_CALL;
      const [device] = await loginsAtOnce(await serve());
      const { count } = (await device.get("/list?user=ada")).body;
      return count === LOGINS ? ok() : fails(`${count} of ${LOGINS}`);
    },
  },
  {
    title: `The sessions of ${LOGINS} logins at once all end with one call`,
    async run({ serve, library }) {
      if (!library.lists) return NO_CALL;
      const devices = await loginsAtOnce(await serve());
      await devices[0].change("/end-all?user=ada");
      return (await countLoggedIn(devices)) === 0 ? ok() : fails("some live on");
    },
  },
  {
    title: `The sessions of ${LOGINS} logins at once end with one call, all but one's own`,
    async run({ serve, library }) {
      if (!library.lists) return NO_CALL;
      const [own, ...others] = await loginsAtOnce(await serve());
      await own.change("/end-others?user=ada");
      if (!(await own.isLoggedIn())) return fails("own ended");
      return (await countLoggedIn(others)) === 0 ? ok() : fails("others live on");
    },
  },
];

async function afterLogin({ serve }, path) {
  const { browser } = await serve();
  // A library without sessions of visitors refuses this, and has no cookie from before.
  await browser.post("/set?field=a&value=1");
  const known = browser.copy();
  await browser.logIn(path);
  return (await known.isLoggedIn()) ? fails("same id") : ok();
}

/** All are under way before the first one ends. */
async function loginsAtOnce({ gates, browser }) {
  const devices = Array.from({ length: LOGINS }, () => browser.copy());
  const all = gates.hold("all", LOGINS);
  const done = Promise.all(devices.map((device) => device.logIn("/login?user=ada&gate=all")));
  await all.reached;
  all.open();
  await done;
  return devices;
}

async function countLoggedIn(devices) {
  const alive = await Promise.all(devices.map((device) => device.isLoggedIn()));
  return alive.filter(Boolean).length;
}

async function withDump({ serve, redis, library }, { isDefault = false, secret }) {
  if (library.isStateless) return notApplicable("no store");
  const { browser } = await serve({ isDefault, secrets: [OLD] });
  await browser.logIn();
  for (const key of await redis.keys()) {
    const strings = await redis.strings(key);
    for (const cookie of await library.forge({ key, strings, secret })) {
      const thief = Browser.with(browser.origin, cookie);
      if (await thief.isLoggedIn()) return fails("logged in");
    }
  }
  return ok();
}
