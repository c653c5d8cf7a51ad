/** What reaches the store, when, and what a client hears if it cannot. */
import { fails, notApplicable, ok } from "./verdict.js";

/** How long a response may overtake its own save before it counts as held back. */
const HELD_BACK_MS = 200;
/** A response that has not come by then does not come. */
const HANG_MS = 3_000;
const NO_STORE = notApplicable("no store");

export const storeRows = [
  {
    title: "A redirect, without a call to save, leaves after the save: the next page sees it",
    async run({ serve, redis, library }) {
      if (library.isStateless) return NO_STORE;
      const { gates, browser } = await serve();
      await browser.logIn();
      const gate = gates.hold("gate");
      let hasLeft = false;
      const onHead = () => {
        hasLeft = true;
      };
      let isOver = false;
      const path = "/redirect?field=a&value=1&before=gate";
      const answer = browser.post(path, { onHead }).finally(() => {
        isOver = true;
      });
      await gate.reached;
      await redis.holdWrites();
      gate.open();
      await redis.writeWaits(() => hasLeft || isOver);
      await new Promise((go) => setTimeout(go, HELD_BACK_MS));
      const isEarly = hasLeft;
      await redis.letWritesGo();
      const { status } = await answer;
      if (isEarly) return fails("leaves before");
      if (status !== 302) return fails(String(status));
      return (await browser.get("/me")).body.a === "1" ? ok() : fails("not saved");
    },
  },
  {
    title:
      "A request that reads, right after another, is one command to Redis, which writes nothing",
    async run({ serve, redis, library }) {
      if (library.isStateless) return NO_STORE;
      const { browser } = await serve();
      await browser.logIn();
      await browser.get("/me");
      const { sent, writes } = await redis.commandsOf(() => browser.get("/me"));
      const word = sent.join(", ");
      return sent.length === 1 && !writes ? ok(word) : fails(word);
    },
  },
  {
    title: "A request that reads, right after another, gets no Set-Cookie",
    async run({ serve }) {
      const { browser } = await serve();
      await browser.logIn();
      await browser.get("/me");
      return (await browser.get("/me")).lines.length === 0 ? ok() : fails("Set-Cookie");
    },
  },
  {
    title: "A visitor who only reads leaves nothing in Redis, with default options",
    run: (context) => afterVisit(context, { isDefault: true }),
  },
  {
    title: "A visitor who only reads leaves nothing in Redis, with advised options",
    run: (context) => afterVisit(context),
  },
  {
    title: "All that a login leaves in Redis has a TTL",
    async run({ serve, redis, library }) {
      if (library.isStateless) return NO_STORE;
      const { browser } = await serve();
      await browser.logIn();
      return (await redis.allEnd()) ? ok() : fails("no TTL");
    },
  },
  {
    title: "A corrupt value in Redis is nobody's session, and no error at each request",
    async run({ serve, redis, library }) {
      if (library.isStateless) return NO_STORE;
      if (library.hasOwnStore) return notApplicable("store is yours");
      const { browser } = await serve();
      await browser.logIn();
      for (const key of await redis.keys()) await redis.corrupt(key);
      await browser.get("/me");
      const { status, body } = await browser.get("/me");
      if (status >= 500 || status === 0) return fails(String(status));
      return body.user === null || status === 401 ? ok() : fails("logged in");
    },
  },
  {
    title: "A BigInt in the session is kept, or an error that arrives",
    run: (context) => oddValue(context, "big"),
  },
  {
    title: "A Map in the session is kept, or an error: it does not become {}",
    run: (context) => oddValue(context, "map"),
  },
  {
    title: "A field named `save` is data as any other",
    async run({ serve, rejections }) {
      const { browser } = await serve();
      await browser.logIn();
      for (const field of ["save", "a"]) {
        const path = `/set?field=${field}&value=1`;
        const { status } = await browser.post(path, { limitMs: HANG_MS });
        if (status === 0) return fails("hangs");
        if (rejections().length > 0) return fails(`${status}, crash`);
        if (status >= 400) return fails(String(status));
      }
      const { body } = await browser.get("/me", { limitMs: HANG_MS });
      return body.save === "1" && body.a === "1" ? ok() : fails("lost");
    },
  },
  {
    title: "The store refuses the save: the client hears so",
    async run({ serve, redis, library, rejections }) {
      if (library.isStateless) return NO_STORE;
      const { gates, browser } = await serve();
      await browser.logIn();
      const gate = gates.hold("gate");
      const answer = browser.post("/set?field=a&value=1&before=gate");
      await gate.reached;
      const { status } = await redis.whileFull(() => {
        gate.open();
        return answer;
      });
      await browser.get("/me");
      const isCrash = rejections().length > 0;
      if (status >= 500 && !isCrash) return ok(String(status));
      return fails(isCrash ? `${status}, crash` : String(status));
    },
  },
  {
    title: "The store refuses to read: the client hears of an error, not that nobody is logged in",
    async run({ serve, redis, library }) {
      if (library.isStateless) return NO_STORE;
      const { browser } = await serve();
      await browser.logIn();
      const { status } = await redis.whileUnreadable(() => browser.get("/me"));
      if (!(await browser.isLoggedIn())) return fails(`${status}, logged out`);
      return status >= 500 ? ok(String(status)) : fails(String(status));
    },
  },
];

async function afterVisit({ serve, redis, library }, options) {
  if (library.isStateless) return NO_STORE;
  const { browser } = await serve(options);
  const before = (await redis.keys()).length;
  await browser.get("/me");
  const stored = (await redis.keys()).length - before;
  return stored === 0 ? ok() : fails(`${stored} stored`);
}

async function oddValue({ serve, rejections }, field) {
  const { browser } = await serve();
  await browser.logIn();
  const { status } = await browser.post(`/odd?field=${field}`, { limitMs: HANG_MS });
  if (status === 0) return fails("hangs");
  if (rejections().length > 0) return fails(`${status}, crash`);
  if (status >= 400) return ok(String(status));
  return (await browser.get(`/odd?field=${field}`)).body.isKept ? ok("kept") : fails("lost");
}
