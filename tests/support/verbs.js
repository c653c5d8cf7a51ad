/**
 * A process that runs random verbs on the built library until it is killed. Plain JavaScript, since a
 * child of the test runner is started by node itself. Tells its parent after each verb.
 */
import { redisStore } from "latchkey/redis";

const [url = "", prefix = ""] = process.argv.slice(2);
const LIFE = { idleTimeoutMs: undefined, absoluteTimeoutMs: 3_600_000 };
const USERS = ["ada", "bob", "cyd"];

const store = await redisStore({ url, prefix, callTimeout: "60s" });
/** @type {{ sid: ReturnType<typeof store.mintId>, user: string }[]} */
const mine = [];

for (;;) {
  const user = USERS[Math.floor(Math.random() * USERS.length)] ?? "ada";
  const session = mine[Math.floor(Math.random() * mine.length)];
  const verb = Math.floor(Math.random() * 10);
  if (verb < 5 || session === undefined) {
    const sid = store.mintId(user);
    const cap = { max: 20, policy: /** @type {const} */ ("evict-oldest") };
    const nothing = { generation: undefined, device: undefined };
    const secretHash = verb < 3 ? "h".repeat(43) : undefined;
    await store.create({ sid, user, secretHash, life: LIFE, data: new Map(), cap, ...nothing });
    mine.push({ sid, user });
  } else if (verb < 7) {
    const set = new Map([["n", String(Math.random())]]);
    await store.update(session.sid, { set, unset: new Set(), ifVersion: undefined });
  } else if (verb < 9) await store.revoke(session.sid, session.user);
  else await store.list(user);
  process.send?.("verb");
}
