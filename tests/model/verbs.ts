/**
 * Each verb of the port as a command of fast-check: it asks the store, and compares every word of the
 * answer with what the model says.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Cap, Change, Life, NewSession, Rotation, SessionId } from "latchkey";
import {
  checkEvicted,
  checkExpired,
  checkList,
  checkLoad,
  checkRecord,
  instantOf,
  passed,
  type Story,
  USERS,
} from "./answers.ts";
import { isLive, type ModelSession, type Presented, TOUCH_INTERVAL_MS } from "./model.ts";
import type { System } from "./system.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const GRACE_MS = 2 * MINUTE;
const LIVES = {
  brief: { idleTimeoutMs: undefined, absoluteTimeoutMs: 10 * MINUTE },
  fixed: { idleTimeoutMs: undefined, absoluteTimeoutMs: HOUR },
  sliding: { idleTimeoutMs: 30 * MINUTE, absoluteTimeoutMs: 2 * HOUR },
  // Longer than a rotated id is remembered.
  long: { idleTimeoutMs: undefined, absoluteTimeoutMs: 4 * HOUR },
} as const satisfies Record<string, Life>;

type Run<Args> = (story: Story, system: System, args: Args) => Promise<void>;
type Command = fc.AsyncCommand<Story, System>;

class Verb<Args> implements fc.AsyncCommand<Story, System> {
  readonly #name: string;
  readonly #args: Args;
  readonly #run: Run<Args>;

  constructor(name: string, args: Args, run: Run<Args>) {
    this.#name = name;
    this.#args = args;
    this.#run = run;
  }

  check(): boolean {
    return true;
  }

  run(story: Story, system: System): Promise<void> {
    return this.#run(story, system, this.#args);
  }

  toString(): string {
    return `${this.#name}(${fc.stringify(this.#args)})`;
  }
}

function verb<Args>(name: string, args: fc.Arbitrary<Args>, run: Run<Args>): fc.Arbitrary<Command> {
  return args.map((chosen) => new Verb(name, chosen, run));
}

const server = fc.constantFrom<0 | 1>(0, 1);
/** Mostly one, so that many sessions are somebody's. */
const user = fc.constantFrom("ada", "ada", "ada", ...USERS, undefined);
/** Which of all that was ever presented: mostly of the latest sessions, at times of nobody. */
const pick = fc.record({
  n: fc.nat(1_000),
  of: fc.constantFrom("now", "now", "now", "ever", "ever", "unknown"),
});
type Pick = typeof pick extends fc.Arbitrary<infer T> ? T : never;
const life = fc.constantFrom(...(["brief", "fixed", "sliding", "sliding", "long"] as const));
const device = fc.constantFrom("x", "y", undefined);
const NAMES = ["a", "b", "__proto__"];
const texts = fc.constantFrom("1", "2", '"é🔑"', `"${"x".repeat(20_000)}"`);
const data = fc.dictionary(fc.constantFrom(...NAMES), texts, { maxKeys: 2 });

const create = verb(
  "create",
  fc.record({
    ...{ server, user, life, device, data },
    hasSecret: fc.boolean(),
    isPlain: fc.boolean(),
    cap: fc.constantFrom<Cap | undefined>(
      ...[undefined, undefined, { max: 1, policy: "evict-oldest" } as const],
      ...[{ max: 2, policy: "reject" } as const, { max: 2, policy: "evict-oldest" } as const],
    ),
    remembers: fc.boolean(),
    isTaken: fc.constantFrom(false, false, false, true),
  }),
  async (story, system, args) => {
    const store = system.servers[args.server];
    const now = passed(story, system);
    const taken = args.isTaken ? story.livesOf(args.user, now)[0]?.sid : undefined;
    const wanted: NewSession = {
      sid: taken ?? store.mintId(args.user),
      ...{ user: args.user, cap: args.cap, life: LIVES[args.life] },
      secretHash: args.hasSecret ? freshHash(story) : undefined,
      generation: args.remembers ? generationFor(story, system, args.user) : undefined,
      device: args.isPlain ? undefined : args.device,
      data: new Map(args.isPlain ? [] : Object.entries(args.data)),
    };
    if (bytesOf(wanted.data) > 32_768) return;
    const created = await store.create(wanted);
    const isStale = expectsStale(story, args.user, wanted.generation);
    const refusal = story.refusal(wanted, isStale, passed(story, system));
    if (created.outcome !== "created") return assert.equal(created.outcome, refusal);
    assert.equal(refusal, undefined);
    const at = instantOf(story, system, created.record, now);
    checkExpired(story, args.user, created.expired, at);
    checkEvicted(story, wanted, created.evicted, at);
    const record = story.begin(wanted, at);
    checkRecord(story, system, created.record, record);
  },
);

const load = verb("load", fc.record({ server, pick }), async (story, system, args) => {
  const { sid } = presentedBy(story, system, args.pick);
  await checkLoad(story, system, sid, args.server);
});

const update = verb(
  "update",
  fc.record({
    ...{ server, pick, set: data },
    unset: fc.subarray(NAMES, { maxLength: 1 }),
    version: fc.constantFrom("any", "any", "right", "wrong"),
  }),
  async (story, system, args) => {
    const { sid } = presentedBy(story, system, args.pick);
    const version = story.byId.get(sid)?.version ?? 0;
    const change: Change = {
      set: new Map(Object.entries(args.set)),
      unset: new Set(args.unset.filter((name) => !Object.hasOwn(args.set, name))),
      ifVersion: { any: undefined, right: version, wrong: version + 1 }[args.version],
    };
    const updated = await system.servers[args.server].update(sid, change);
    assert.deepEqual(updated, story.update(sid, change, passed(story, system)));
  },
);

const touch = verb(
  "touch",
  fc.record({ server, pick, intervalMs: fc.constantFrom(0, TOUCH_INTERVAL_MS) }),
  async (story, system, { server, pick, intervalMs }) => {
    const { sid } = presentedBy(story, system, pick);
    const before = passed(story, system);
    const touched = { sid, user: story.byId.get(sid)?.user };
    const answer = await system.servers[server].touch(touched, LIVES.sliding, intervalMs);
    if (answer.outcome === "gone") {
      return assert.equal(story.touch(sid, LIVES.sliding, intervalMs, before).outcome, "gone");
    }
    const now = instantOf(story, system, answer, before);
    const { outcome, expiresAt, remainingMs } = answer;
    assert.deepEqual(
      { outcome, expiresAt: expiresAt + system.shiftMs(), remainingMs },
      story.touch(sid, LIVES.sliding, intervalMs, now),
    );
  },
);

const rotate = verb(
  "rotate",
  fc.record({
    ...{ server, pick, device, life },
    holder: fc.constantFrom("its", "its", "its", "before", "stranger"),
    kind: fc.constantFrom("grace", "grace", "no grace", "login"),
    remembers: fc.boolean(),
    isTaken: fc.constantFrom(false, false, false, true),
  }),
  async (story, system, args) => {
    const store = system.servers[args.server];
    const before = passed(story, system);
    const presented = holderOf(story, presentedBy(story, system, args.pick), args.holder);
    const session = story.byId.get(presented.sid);
    const rotation = rotationOf(story, system, presented, session, args, before);
    const answer = await store.rotate(rotation);
    const { generation } = rotation.login ?? {};
    const isStale = expectsStale(story, session?.user, generation);
    if (answer.outcome !== "rotated") {
      const expected = story.rotate(rotation, isStale, before);
      return assert.deepEqual(answer, expected);
    }
    const now = instantOf(story, system, answer, before);
    const shift = system.shiftMs();
    const absoluteExpiresAt = answer.absoluteExpiresAt + shift;
    assert.deepEqual(
      { ...answer, expiresAt: answer.expiresAt + shift, absoluteExpiresAt },
      story.rotate(rotation, isStale, now),
    );
  },
);

function holderOf(story: Story, presented: Presented, holder: string): Presented {
  const { sid } = presented;
  if (holder === "stranger") return { sid, secretHash: freshHash(story) };
  if (holder === "its") return presented;
  const session = story.byId.get(sid);
  const former = session?.previous && { sid, secretHash: session.previous.secretHash };
  return former ?? session?.former.at(-1) ?? presented;
}

function rotationOf(
  story: Story,
  system: System,
  { sid, secretHash }: Presented,
  session: ModelSession | undefined,
  args: {
    readonly server: 0 | 1;
    readonly kind: string;
    readonly life: keyof typeof LIVES;
    readonly device: string | undefined;
    readonly remembers: boolean;
    readonly isTaken: boolean;
  },
  now: number,
): Rotation {
  const { user } = session ?? {};
  const isLogin = args.kind === "login";
  const graceMs = args.kind === "grace" ? GRACE_MS : 0;
  const isMove = secretHash === undefined || graceMs === 0;
  const others = story.livesOf(user, now).filter((other) => other !== session);
  const taken = args.isTaken ? others[0]?.sid : undefined;
  const fresh = (): SessionId => taken ?? system.servers[args.server].mintId(user, sid);
  return {
    ...{ sid, user, secretHash, graceMs },
    next: {
      sid: isMove ? fresh() : sid,
      secretHash: secretHash === undefined ? undefined : freshHash(story),
      seed: graceMs > 0 && secretHash !== undefined ? `seed${story.presented.length}` : undefined,
    },
    login: isLogin
      ? {
          life: LIVES[args.life],
          device: args.device,
          generation: args.remembers ? generationFor(story, system, user) : undefined,
        }
      : undefined,
  };
}

const revoke = verb(
  "revoke",
  fc.record({ server, pick, owner: fc.constantFrom("none", "its", "its", "wrong") }),
  async (story, system, args) => {
    const { sid } = presentedBy(story, system, args.pick);
    const its = story.byId.get(sid)?.user;
    const owner = { none: undefined, its, wrong: "mallory" }[args.owner];
    const outcome = await system.servers[args.server].revoke(sid, owner);
    assert.equal(outcome, story.revoke(sid, owner, passed(story, system)));
  },
);

const revokeUser = verb(
  "revokeUser",
  fc.record({ server, user: fc.constantFrom(...USERS), pick, hasExcept: fc.boolean() }),
  async (story, system, args) => {
    const except = args.hasExcept ? presentedBy(story, system, args.pick).sid : undefined;
    const count = await system.servers[args.server].revokeUser(args.user, except);
    assert.equal(count, story.revokeUser(args.user, except, passed(story, system)));
  },
);

const generation = verb(
  "generation",
  fc.record({ server, user: fc.constantFrom(...USERS) }),
  async (story, system, { server, user }) => {
    const answer = await system.servers[server].generation(user);
    const value = answer === 0 ? 0 : answer + system.shiftMs();
    const times = story.revocations(user);
    const known = story.generations.get(user);
    assert.equal(value > 0, times > 0);
    if (known !== undefined && known.value > 0 && known.times === times) {
      assert.equal(value, known.value);
    }
    if (known !== undefined && known.times < times) assert.ok(value > known.value);
    story.generations.set(user, { value, times });
  },
);

const list = verb(
  "list",
  fc.record({ server, user: fc.constantFrom(...USERS) }),
  async (story, system, args) => checkList(story, system, args.user, args.server),
);

const elapse = verb(
  "elapse",
  fc.oneof(
    fc.record({ to: fc.nat(1_000), grains: fc.constantFrom(-1, 0, 0, 1) }),
    fc.record({ minutes: fc.constantFrom(1, 1, 2, 2, 5, 5, 10, 30, 60) }),
  ),
  async (story, system, args) => {
    const now = passed(story, system);
    const deadlines = story.deadlines();
    const ahead = [...new Set(deadlines)].filter((at) => at > now).sort((a, b) => a - b);
    // The next few: a jump to the last of them would leave nothing alive.
    const at = "to" in args ? ahead.slice(0, 4)[args.to % 4] : undefined;
    const ms =
      "to" in args ? (at ?? now) - now + args.grains * system.grainMs : args.minutes * MINUTE;
    if (ms > 0) await system.elapse(ms, deadlines);
  },
);

/** @param count most commands of one run */
export function stories(count: number): fc.Arbitrary<Iterable<Command>> {
  const often = [create, create, update, update, touch, touch, rotate, rotate, rotate, elapse];
  const rare = [create, load, revoke, revokeUser, generation, list];
  return fc.commands([...often, ...often, ...rare], { maxCommands: count, size: "max" });
}

function presentedBy(story: Story, system: System, { n, of }: Pick): Presented {
  const lives = story.sessions.filter((session) => isLive(session, system.now()));
  const session = of === "now" ? lives.at(-1 - (n % Math.max(1, lives.length))) : undefined;
  if (session !== undefined) return session;
  const known = of === "unknown" ? undefined : story.presented[n % story.presented.length];
  return known ?? { sid: system.servers[0].mintId(USERS[n % 4]), secretHash: undefined };
}

function generationFor(story: Story, system: System, user: string | undefined): number | undefined {
  const known = user === undefined ? undefined : story.generations.get(user);
  return known === undefined || known.value === 0 ? known?.value : known.value - system.shiftMs();
}

function expectsStale(
  story: Story,
  user: string | undefined,
  generation: number | undefined,
): boolean {
  if (user === undefined || generation === undefined) return false;
  return story.revocations(user) > (story.generations.get(user)?.times ?? 0);
}

/** As long as the hash of a secret, and nobody else's. */
function freshHash({ presented }: Story): string {
  return String(presented.length).padStart(43, "h");
}

function bytesOf(data: ReadonlyMap<string, string>): number {
  return [...data].reduce((sum, [name, text]) => sum + Buffer.byteLength(name + text), 0);
}
