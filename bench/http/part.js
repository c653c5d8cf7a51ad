/**
 * A protected route on each framework: what the server process spends on a request. All servers of
 * a framework stand at once, and take turns.
 */
import { startRedis } from "../lib/redis.js";
import { median, rotated } from "../lib/stats.js";
import { Contestant, summaryOf } from "./contestant.js";

const STATELESS = [
  ...["jsonwebtoken (string)", "jsonwebtoken (KeyObject)", "jose", "fast-jwt"],
  ...["fast-jwt (cached)", "iron-session"],
];
const COMMON = ["none A", "none B", "latchkey (near)", "latchkey"];
const CONTESTANTS = {
  "node:http": [...COMMON, ...STATELESS, "better-auth"],
  fastify: [...COMMON, "@fastify/session", ...STATELESS, "better-auth"],
  express: [...COMMON, "express-session", ...STATELESS, "better-auth"],
};
/** Which the targets are about. */
const QUICK = /none|latchkey|express-session|@fastify|^fast-jwt$|better/;
const WITHOUT_REDIS = new Set(["none A", "none B", ...STATELESS]);

const FULL_RUN = {
  ...{ launches: 3, sessions: 1_000, warmUpMs: 1_500 },
  ...{ leadInMs: 150, slotMs: 600, rounds: 3 },
};
const QUICK_RUN = {
  ...{ launches: 1, sessions: 200, warmUpMs: 500 },
  ...{ leadInMs: 50, slotMs: 200, rounds: 5 },
};

export async function measureHttp({ isQuick, match, connections, say }) {
  const settings = { ...(isQuick ? QUICK_RUN : FULL_RUN), connections };
  const results = [];
  for (const [framework, all] of Object.entries(CONTESTANTS)) {
    const names = all.filter(
      (name) => (!isQuick || QUICK.test(name)) && (match?.test(`${framework} ${name}`) ?? true),
    );
    if (names.length === 0) continue;
    say(`http: ${framework}, ${names.length} servers`);
    results.push(...(await measureFramework(framework, names, settings)));
  }
  return { settings, results };
}

/** Launched several times: the same program may settle at 17 or at 30 µs a request, for good. */
async function measureFramework(framework, names, settings) {
  const rounds = new Map(names.map((name) => [name, []]));
  for (let launch = 0; launch < settings.launches; launch++) {
    await oneLaunch(framework, rounds, settings);
  }
  const ceiling = rounds.get("none A");
  return names.map((name) => ({ framework, name, ...summaryOf(rounds.get(name), ceiling) }));
}

async function oneLaunch(framework, rounds, settings) {
  const standing = [];
  try {
    for (const [name, own] of rounds) {
      // Each has a Redis of its own: then all that this one counts is of its doing.
      const redis = WITHOUT_REDIS.has(name) ? undefined : await startRedis();
      const contestant = new Contestant({ framework, name, redis, rounds: own });
      standing.push(contestant);
      await contestant.start(settings);
    }
    for (const order of rotated(standing, settings.rounds)) {
      for (const contestant of order) await contestant.slot(settings);
    }
  } finally {
    for (const contestant of standing) {
      await contestant.stop();
      await contestant.redis?.stop();
    }
  }
}

/** The ratio of two contestants, round by round: what disturbed both falls out. */
export function paired(results, framework, name, other) {
  const [one, two] = [name, other].map((wanted) =>
    results.find((result) => result.framework === framework && result.name === wanted),
  );
  if (one === undefined || two === undefined) return undefined;
  return median(one.cpuOfRounds.map((cpu, i) => cpu / two.cpuOfRounds[i]));
}
