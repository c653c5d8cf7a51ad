/**
 * A process that runs random verbs on the built library until it is killed. Plain JavaScript, since a
 * child of the test runner is started by node itself. Tells its parent after each verb.
 */
import { redisStore } from "latchkey/redis";

const [url = "", prefix = ""] = process.argv.slice(2);
const LIFE = { idleTimeoutMs: 1_800_000, absoluteTimeoutMs: 3_600_000 };
const USERS = ["ada", "bob", "cyd"];
const HASH = "h".repeat(43);
const CAP = { max: 20, policy: /** @type {const} */ ("evict-oldest") };

const store = await redisStore({ url, prefix, callTimeout: "60s" });
/** @typedef {{ sid: ReturnType<typeof store.mintId>, user: string, hash: string | undefined }} Mine */
/** @type {Mine[]} */
const mine = [];

/** @param {string} user */
async function create(user) {
  const session = { sid: store.mintId(user), user, hash: Math.random() < 0.5 ? HASH : undefined };
  const nothing = { generation: undefined, device: undefined, data: new Map() };
  const { sid, hash: secretHash } = session;
  await store.create({ sid, user, secretHash, life: LIFE, cap: CAP, ...nothing });
  mine.push(session);
}

/** @param {Mine} session */
async function rotate(session) {
  const { sid, user, hash } = session;
  const isLogin = Math.random() < 0.5;
  const id = hash === undefined || isLogin ? store.mintId(user, sid) : sid;
  await store.rotate({
    ...{ sid, user, secretHash: hash, graceMs: isLogin ? 0 : 60_000 },
    next: { sid: id, secretHash: hash, seed: undefined },
    login: isLogin ? { life: LIFE, generation: undefined, device: undefined } : undefined,
  });
  session.sid = id;
}

/** @param {Mine} session */
function update({ sid }) {
  const set = new Map([["n", String(Math.random())]]);
  return store.update(sid, { set, unset: new Set(), ifVersion: undefined });
}

for (;;) {
  const user = USERS[Math.floor(Math.random() * USERS.length)] ?? "ada";
  const session = mine[Math.floor(Math.random() * mine.length)];
  const verb = Math.floor(Math.random() * 100);
  if (verb < 40 || session === undefined) await create(user);
  else if (verb < 55) await update(session);
  else if (verb < 65) await store.touch(session, LIFE, 0);
  else if (verb < 80) await rotate(session);
  else if (verb < 92) await store.revoke(session.sid, session.user);
  else if (verb < 94) await store.revokeUser(user, session.sid);
  else await store.list(user);
  process.send?.("verb");
}
