/** Login, update, list, logout, revoke: how many a second, and what each asks of Redis. */
import { randomBytes } from "node:crypto";
import { RedisStore } from "connect-redis";
import { redisStore } from "latchkey/redis";
import { exchangeOf, logIn, sessionsOn } from "../lib/logins.js";
import { sent, startRedis } from "../lib/redis.js";
import { inParallel, rotated, spread } from "../lib/stats.js";

const WIDTH = 32;
/** Sessions of each user that is listed and revoked. */
const PER_USER = 3;

export async function measureVerbs({ isQuick, say }) {
  const settings = isQuick ? { rounds: 3, count: 100 } : { rounds: 11, count: 500 };
  say(`verbs: ${settings.count} of each, ${settings.rounds} rounds`);
  const contestants = [await ours(), await theirs()];
  try {
    for (const order of rotated(contestants, settings.rounds + 1)) {
      for (const contestant of order) await roundOf(contestant, settings.count);
    }
    return { settings: { ...settings, concurrency: WIDTH }, results: contestants.flatMap(summary) };
  } finally {
    for (const { close } of contestants) await close();
  }
}

async function roundOf(contestant, count) {
  const users = Array.from({ length: count }, () => `u${contestant.users++}`);
  for (const [verb, work] of Object.entries(contestant.verbs)) {
    const before = await contestant.redis.commands();
    const [began, cpu] = [performance.now(), process.cpuUsage()];
    await inParallel(count, WIDTH, (i) => work(users[i]));
    const ms = performance.now() - began;
    const { user, system } = process.cpuUsage(cpu);
    const { calls, micros } = sent(before, await contestant.redis.commands());
    const slots = contestant.slots.get(verb) ?? [];
    contestant.slots.set(verb, slots);
    slots.push({
      ...{ perSecond: (count / ms) * 1_000, cpuMicros: (user + system) / count },
      ...{ commands: calls / count, redisMicros: micros / count },
    });
  }
}

function summary({ name, slots }) {
  return [...slots]
    .filter(([verb]) => !verb.startsWith("("))
    .map(([verb, all]) => {
      const rounds = all.slice(1); // The first one warms up.
      const of = (field) => spread(rounds.map((round) => round[field]));
      const fields = ["perSecond", "cpuMicros", "commands", "redisMicros"];
      return { name, verb, ...Object.fromEntries(fields.map((field) => [field, of(field)])) };
    });
}

async function ours() {
  const redis = await startRedis();
  const store = await redisStore({ url: redis.url });
  const sessions = sessionsOn(store);
  const tokens = new Map();
  // As a request would: opened first, which is one of its commands.
  const opened = (user) => sessions.open(exchangeOf([`sid=${tokens.get(user)}`]));
  return {
    ...{ name: "latchkey", redis, users: 0, slots: new Map() },
    verbs: {
      login: async (user) => tokens.set(user, await logIn(sessions, user)),
      "open and update": async (user) => {
        const session = await opened(user);
        session.data.cart = ["tea"];
        await session.commit();
      },
      "open and logout": async (user) => (await opened(user)).logout(),
      "(more logins)": (user) =>
        Promise.all(Array.from({ length: PER_USER }, () => logIn(sessions, user))),
      [`list (${PER_USER} sessions)`]: (user) => sessions.list(user),
      [`revokeUser (${PER_USER} sessions)`]: (user) => sessions.revokeUser(user),
    },
    close: async () => {
      await store.close();
      await redis.stop();
    },
  };
}

/** What express-session asks of its store for the same. It knows no user, so there is no more. */
async function theirs() {
  const redis = await startRedis();
  const store = new RedisStore({ client: redis.control });
  const ids = new Map();
  const cookie = { originalMaxAge: null, expires: null, httpOnly: true, path: "/" };
  return {
    ...{ name: "connect-redis", redis, users: 0, slots: new Map() },
    verbs: {
      login: async (user) => {
        ids.set(user, randomBytes(24).toString("base64url"));
        await store.set(ids.get(user), { cookie, user });
      },
      "open and update": async (user) => {
        const session = await store.get(ids.get(user));
        await store.set(ids.get(user), { ...session, cart: ["tea"] });
      },
      "open and logout": async (user) => {
        await store.get(ids.get(user));
        await store.destroy(ids.get(user));
      },
    },
    close: () => redis.stop(),
  };
}
