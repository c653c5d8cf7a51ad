/**
 * A protected route on each framework: what the server process spends on a request. All servers of
 * a framework stand at once, and take turns.
 */
import { join } from "node:path";
import { startChild } from "../lib/child.js";
import { Client, request } from "../lib/client.js";
import { sent, startRedis } from "../lib/redis.js";
import { median, randomOf, rotated, spread } from "../lib/stats.js";

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

const FULL_RUN = { sessions: 1_000, warmUpMs: 1_500, leadInMs: 150, slotMs: 700, rounds: 9 };
const QUICK_RUN = { sessions: 200, warmUpMs: 500, leadInMs: 50, slotMs: 200, rounds: 5 };

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

async function measureFramework(framework, names, settings) {
  const standing = [];
  try {
    for (const name of names) standing.push(await Contestant.start(framework, name, settings));
    for (const order of rotated(standing, settings.rounds)) {
      for (const contestant of order) await contestant.slot(settings);
    }
    const ceiling = standing.find(({ name }) => name === "none A");
    return standing.map((contestant) => contestant.summary(ceiling));
  } finally {
    for (const contestant of standing) await contestant.stop();
  }
}

class Contestant {
  framework;
  name;
  #rounds = [];
  #requests = [];
  #random = randomOf(20_25);
  #redis;
  #child;
  #client;

  static async start(framework, name, settings) {
    const contestant = new Contestant();
    Object.assign(contestant, { framework, name });
    await contestant.#begin(settings);
    return contestant;
  }

  async #begin({ sessions, warmUpMs, connections }) {
    // Each has a Redis of its own: then all that this one counts is of its doing.
    this.#redis = WITHOUT_REDIS.has(this.name) ? undefined : await startRedis();
    const module = join(import.meta.dirname, "server.js");
    const args = [this.framework, this.name, this.#redis?.url ?? ""];
    this.#child = startChild(module, { args, name: `${this.framework} ${this.name}` });
    this.#client = await Client.open(await this.#child.ask("port"), connections);
    this.#requests = await logIn(this.#client, sessions);
    await this.#client.runFor(warmUpMs, this.#requests, this.#random);
  }

  async slot({ leadInMs, slotMs }) {
    await this.#client.runFor(leadInMs, this.#requests, this.#random);
    const commands = await this.#redis?.commands();
    const before = await this.#child.ask("cpu");
    const load = await this.#client.runFor(slotMs, this.#requests, this.#random);
    const after = await this.#child.ask("cpu");
    const asked = commands && sent(commands, await this.#redis.commands());
    const cpu = after.user + after.system - before.user - before.system;
    this.#rounds.push({
      ...load,
      cpuMicros: cpu / load.count,
      commands: (asked?.calls ?? 0) / load.count,
      redisMicros: (asked?.micros ?? 0) / load.count,
    });
  }

  summary(ceiling) {
    const of = (field) => spread(this.#rounds.map((round) => round[field]));
    const pairs = this.#rounds.map(
      ({ cpuMicros }, i) => cpuMicros / (ceiling?.#rounds[i].cpuMicros ?? Number.NaN),
    );
    return {
      ...{ framework: this.framework, name: this.name, cpuMicros: of("cpuMicros") },
      overCeiling: spread(pairs),
      ...{ perSecond: of("perSecond"), p50: of("p50"), p99: of("p99") },
      ...{ commands: of("commands"), redisMicros: of("redisMicros") },
      cpuOfRounds: this.#rounds.map(({ cpuMicros }) => Number(cpuMicros.toFixed(2))),
    };
  }

  async stop() {
    this.#client?.close();
    await this.#child?.stop();
    await this.#redis?.stop();
  }
}

/** Real logins over HTTP; what each answered with is the credential of its requests. */
export async function logIn(client, sessions, offset = 0) {
  const requests = [];
  const path = (i) => `/login/u${i + offset}`;
  await client.drive(
    (i) => (i < sessions ? request("POST", path(i), { "content-length": 0 }) : undefined),
    (_took, i, answer) => {
      const [head, body] = answer.split("\r\n\r\n");
      const cookies = [...head.matchAll(/^set-cookie: *([^;\r]+)/gim)].map(([, pair]) => pair);
      const headers = cookies.length > 0 ? { cookie: cookies.join("; ") } : JSON.parse(body);
      requests[i] = request("GET", "/profile", headers);
    },
  );
  return requests;
}

/** The ratio of two contestants, round by round: what disturbed both falls out. */
export function paired(results, framework, name, other) {
  const [one, two] = [name, other].map((wanted) =>
    results.find((result) => result.framework === framework && result.name === wanted),
  );
  if (one === undefined || two === undefined) return undefined;
  return median(one.cpuOfRounds.map((cpu, i) => cpu / two.cpuOfRounds[i]));
}
