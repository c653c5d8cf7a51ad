/** A process with a near cache: until when does it let a session in that another process ends? */
import { nearCache } from "latchkey/near-cache";
import { redisStore } from "latchkey/redis";
import { answerParent } from "../lib/child.js";
import { logIn, sessionsOn } from "../lib/logins.js";
import { inParallel } from "../lib/stats.js";

/** So many checks of other sessions in each turn of the event loop: some ms of it. */
const CHECKS_PER_TURN = 300;
const others = [];
let sessions;
let store;
let refused;

async function start(redisUrl) {
  store = nearCache(await redisStore({ url: redisUrl }));
  sessions = sessionsOn(store);
  await inParallel(1_000, 32, async (i) => others.push(await logIn(sessions, `other${i}`)));
}

/** Resolves when the session is answered from memory, and then watches it. */
async function watch(token, isLoaded) {
  for (;;) {
    await sessions.check(token);
    if (store.recall(token) !== undefined) break;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  refused = refusalOf(token, isLoaded);
}

async function refusalOf(token, isLoaded) {
  for (let turn = 0; ; turn++) {
    if (isLoaded) {
      for (let i = 0; i < CHECKS_PER_TURN; i++)
        await sessions.check(others[(turn * CHECKS_PER_TURN + i) % others.length]);
    }
    const { status } = await sessions.check(token);
    if (status === "invalid") return String(process.hrtime.bigint());
    await new Promise(setImmediate);
  }
}

answerParent({ start, watch, refusedAt: () => refused });
