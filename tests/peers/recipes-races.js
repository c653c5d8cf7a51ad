/** Requests at once: two that write, and one that is under way when a session ends or gets a new id. */
import { fails, notApplicable, ok } from "./verdict.js";

const INCREMENTS = 50;
/** Of which one is always counted, so this many rounds are enough for a library that says no. */
const ROUNDS_MAX = INCREMENTS;

export const races = [
  {
    title: "Two requests at once set two fields: both are kept",
    async run({ serve }) {
      const { gates, browser } = await serve();
      await browser.logIn();
      const slow = gates.hold("slow");
      const first = browser.change("/set?field=a&value=1&gate=slow");
      await slow.reached;
      await browser.change("/set?field=b&value=1");
      slow.open();
      await first;
      const { body } = await browser.get("/me");
      return body.a === "1" && body.b === "1" ? ok() : fails("one lost");
    },
  },
  {
    title: `${INCREMENTS} increments at once, saved with a check where the library has one: each is counted, or answered 409 and repeated`,
    async run({ serve }) {
      const { gates, browser } = await serve();
      await browser.logIn();
      const all = gates.hold("all", INCREMENTS);
      const first = increments(browser, INCREMENTS, "?gate=all");
      await all.reached;
      all.open();
      let refused = await first;
      for (let round = 0; refused > 0 && round < ROUNDS_MAX; round += 1) {
        refused = await increments(browser, refused, "");
      }
      const { n } = (await browser.get("/me")).body;
      return n === INCREMENTS ? ok() : fails(`${n} of ${INCREMENTS}`);
    },
  },
  {
    title: "A request that writes ends after a logout: the session stays dead",
    run: (context) => afterLogout(context, "POST /set?field=a&value=1"),
  },
  {
    title:
      "A request that only reads ends after a logout, with default options: the session stays dead",
    run: (context) => afterLogout(context, "GET /me?x=1", { isDefault: true }),
  },
  {
    title:
      "A request that only reads ends after a logout, prolonging by use switched on: the session stays dead",
    run: (context) => afterLogout(context, "GET /me?x=1", { isRolling: true }),
  },
  {
    title:
      "A request that only reads ends after a logout, prolonging by use switched off: the session stays dead",
    run: (context) => afterLogout(context, "GET /me?x=1", { isRolling: false }),
  },
  {
    title: "A request that only reads ends after a login with a new id: the old cookie stays dead",
    async run({ serve, library }) {
      if (!library.renews) return notApplicable("no such call");
      const { gates, browser } = await serve();
      await browser.logIn();
      const before = browser.copy();
      const slow = gates.hold("slow");
      const late = browser.copy().get("/me?gate=slow");
      await slow.reached;
      await browser.logIn("/login-renewed?user=ada");
      slow.open();
      await late;
      return (await before.isLoggedIn()) ? fails("alive again") : ok();
    },
  },
];

async function increments(browser, count, query) {
  const send = () => browser.post(`/increment${query}`);
  const answers = await Promise.all(Array.from({ length: count }, send));
  const strange = answers.find(({ status }) => status !== 200 && status !== 409);
  if (strange !== undefined) throw new Error(`an increment was answered ${strange.status}`);
  return answers.filter(({ status }) => status === 409).length;
}

async function afterLogout({ serve, library }, request, options) {
  const { gates, browser } = await serve(options);
  await browser.logIn();
  // Then a use prolongs the session; most do so at each.
  if (options?.isRolling) await wait(library.prolongsAfterMs ?? 0);
  const before = browser.copy();
  const slow = gates.hold("slow");
  const [method, path] = request.split(" ");
  const late = browser.copy()[method.toLowerCase()](`${path}&gate=slow`);
  await slow.reached;
  await browser.change("/logout");
  slow.open();
  await late;
  if (!(await before.isLoggedIn())) return ok();
  return fails(library.isStateless ? "stateless" : "alive again");
}

function wait(ms) {
  return new Promise((go) => setTimeout(go, ms));
}
