/** One server in a process of its own, and what it spends on the requests that it is sent. */
import { join } from "node:path";
import { startChild } from "../lib/child.js";
import { Client, request } from "../lib/client.js";
import { sent } from "../lib/redis.js";
import { randomOf, spread } from "../lib/stats.js";

export class Contestant {
  framework;
  name;
  redis;
  #rounds;
  #logins = [];
  #requests = [];
  #users = 0;
  #random = randomOf(20_25);
  #child;
  #client;

  /** @param rounds what it measures is added there */
  constructor({ framework, name, redis, rounds = [] }) {
    Object.assign(this, { framework, name, redis });
    this.#rounds = rounds;
  }

  async start({ sessions, warmUpMs, connections }) {
    const module = join(import.meta.dirname, "server.js");
    const args = [this.framework, this.name, this.redis?.url ?? ""];
    this.#child = startChild(module, { args, name: `${this.framework} ${this.name}` });
    this.#client = await Client.open(await this.#child.ask("port"), connections);
    this.#requests = await this.#logIn(sessions);
    await this.#client.runFor(warmUpMs, this.#requests, this.#random);
  }

  async slot({ leadInMs, slotMs }) {
    await this.#client.runFor(leadInMs, this.#requests, this.#random);
    const round = await this.#counted(() =>
      this.#client.runFor(slotMs, this.#requests, this.#random),
    );
    this.#rounds.push(round);
  }

  /** Logins of users that were not there before. */
  async loginSlot(count) {
    this.#logins.push(
      await this.#counted(async () => ({ count: (await this.#logIn(count)).length })),
    );
  }

  /** Each of its sessions so many times. */
  async longRun(times) {
    const { length } = this.#requests;
    const next = (i) => (i < length * times ? this.#requests[i % length] : undefined);
    return this.#counted(async () => {
      let count = 0;
      await this.#client.drive(next, () => count++);
      return { count };
    });
  }

  async #counted(work) {
    const commands = await this.redis?.commands();
    const before = await this.#child.ask("cpu");
    const load = await work();
    const after = await this.#child.ask("cpu");
    const asked = commands && sent(commands, await this.redis.commands());
    const cpu = after.user + after.system - before.user - before.system;
    return {
      ...load,
      cpuMicros: cpu / load.count,
      commands: (asked?.calls ?? 0) / load.count,
      redisMicros: (asked?.micros ?? 0) / load.count,
      byName: asked?.byName,
    };
  }

  summary() {
    return { framework: this.framework, name: this.name, ...summaryOf(this.#rounds) };
  }

  loginSummary() {
    const of = (field) => spread(this.#logins.map((round) => round[field]));
    return Object.fromEntries(
      ["cpuMicros", "commands", "redisMicros"].map((field) => [field, of(field)]),
    );
  }

  /** Real logins over HTTP; what each answered with is the credential of its requests. */
  async #logIn(count) {
    const requests = [];
    const path = () => `/login/u${this.#users++}`;
    await this.#client.drive(
      (i) => (i < count ? request("POST", path(), { "content-length": 0 }) : undefined),
      (_took, _i, answer) => {
        const [head, body] = answer.split("\r\n\r\n");
        const cookies = [...head.matchAll(/^set-cookie: *([^;\r]+)/gim)].map(([, pair]) => pair);
        const headers = cookies.length > 0 ? { cookie: cookies.join("; ") } : JSON.parse(body);
        requests.push(request("GET", "/profile", headers));
      },
    );
    return requests;
  }

  async stop() {
    this.#client?.close();
    await this.#child?.stop();
  }
}

/** @param ceiling the same rounds of the route without session */
export function summaryOf(rounds, ceiling = []) {
  const of = (field) => spread(rounds.map((round) => round[field]));
  const pairs = rounds.map(({ cpuMicros }, i) => cpuMicros / (ceiling[i]?.cpuMicros ?? Number.NaN));
  return {
    ...{ cpuMicros: of("cpuMicros"), overCeiling: spread(pairs) },
    ...{ perSecond: of("perSecond"), p50: of("p50"), p99: of("p99") },
    ...{ commands: of("commands"), redisMicros: of("redisMicros") },
    cpuOfRounds: rounds.map(({ cpuMicros }) => Number(cpuMicros.toFixed(2))),
  };
}
