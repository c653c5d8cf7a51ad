/** Hashes of passwords: what is stored, what it takes to check it, and how many at once. */
import { describe, expect, test } from "vitest";
import { KdfQueue } from "../apps/server/src/users/kdf-queue.ts";
import {
  PasswordHasher,
  type PasswordHasherOptions,
} from "../apps/server/src/users/password-hasher.ts";
import { passwordOf } from "./support/users.ts";

const RIGHT = passwordOf("vogel mondlicht zahnrad");
const WRONG = passwordOf("vogel mondlicht zahnra");
/** As cheap as argon2 goes: for tests of everything but the cost. */
const CHEAP = { memoryKib: 8, passes: 1 };

describe("PWD-4: what is stored", () => {
  test("by default: argon2id, 19 MiB, 2 passes, 16 bytes of salt, another one each time", async () => {
    const hasher = new PasswordHasher();
    const [one, two] = [await hashed(hasher), await hashed(hasher)];
    expect(one).toMatch(
      /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/,
    );
    expect(one).not.toBe(two);
    expect(await hasher.verify(RIGHT, one)).toBe("match");
    expect(await hasher.verify(WRONG, one)).toBe("wrong");
    expect(hasher.needsRehash(one)).toBe(false);
  });

  test("a costlier hash is wanted once the cost rose, and never a cheaper one", async () => {
    const [old, now] = [cheap(), cheap({ passes: 2 })];
    const stored = await hashed(old);
    expect([old.needsRehash(stored), now.needsRehash(stored)]).toEqual([false, true]);
    expect(cheap({ memoryKib: 16 }).needsRehash(stored)).toBe(true);
    expect(old.needsRehash(await hashed(now))).toBe(false);
    // Whatever it costs now, what was stored still opens.
    expect(await now.verify(RIGHT, stored)).toBe("match");
  });

  test("with a pepper: its id beside the hash, and without its key nothing fits", async () => {
    const [k1, k2] = [pepper("k1"), pepper("k2")];
    const first = cheap({ peppers: [k1] });
    const stored = await hashed(first);
    expect(stored).toMatch(/^k1\$argon2id\$/);
    expect(await first.verify(RIGHT, stored)).toBe("match");
    // The hash is not that of the plain password.
    expect(await cheap().verify(RIGHT, stored.slice(2))).toBe("wrong");
    const ring = cheap({ peppers: [k2, k1] });
    expect(await ring.verify(RIGHT, stored)).toBe("match");
    expect(ring.needsRehash(stored)).toBe(true);
    expect(await cheap({ peppers: [k2] }).verify(RIGHT, stored)).toBe("wrong");
    expect(await cheap({ peppers: [{ ...k2, id: "k1" }] }).verify(RIGHT, stored)).toBe("wrong");
    // A pepper may come later: plain hashes open, and get it at the next login.
    const plain = await hashed(cheap());
    expect(await first.verify(RIGHT, plain)).toBe("match");
    expect(first.needsRehash(plain)).toBe(true);
  });

  test.each<[string, PasswordHasherOptions, RegExp]>([
    ["no memory", { memoryKib: 0 }, /memoryKib/],
    ["half a pass", { passes: 1.5 }, /passes/],
    ["nothing at once", { concurrency: 0 }, /concurrency/],
    ["an endless queue", { waitingMax: Number.POSITIVE_INFINITY }, /waitingMax/],
    ["a short key", { peppers: [{ id: "k1", key: new Uint8Array(31) }] }, /less than 32/],
    ["a key without id", { peppers: [{ id: "", key: new Uint8Array(32) }] }, /id/],
    ["an id with $", { peppers: [{ id: "a$", key: new Uint8Array(32) }] }, /id/],
    ["one id twice", { peppers: [pepper("k1"), pepper("k1")] }, /same id/],
  ])("%s is refused by its name", (_what, options, message) => {
    expect(() => new PasswordHasher(options)).toThrow(message);
  });
});

describe("PWD-2: the whole password counts", () => {
  test.each([
    ["beyond 72 bytes", "p".repeat(72), `${"p".repeat(72)}x`],
    ["at 1,024 bytes", "p".repeat(1_024), `${"p".repeat(1_023)}q`],
    ["behind a NUL", "abc\0def", "abc\0deg"],
    ["behind a NUL or not", "abc", "abc\0def"],
    ["blanks at the end", "abc", "abc "],
  ])("%s", async (_where, one, other) => {
    for (const peppers of [[], [pepper("k1")]]) {
      const hasher = cheap({ peppers });
      const stored = await hashed(hasher, one);
      expect(await hasher.verify(passwordOf(one), stored)).toBe("match");
      expect(await hasher.verify(passwordOf(other), stored)).toBe("wrong");
    }
  });

  test("é is é", async () => {
    const hasher = cheap();
    const stored = await hashed(hasher, "caf\u00e9");
    expect(await hasher.verify(passwordOf("cafe\u0301"), stored)).toBe("match");
  });
});

describe("ENU-1: one hash for each check, whatever there is to check with", () => {
  test.each([
    ["nobody", undefined],
    ["nothing", ""],
    ["no hash", "hunter2"],
    ["another algorithm", "$2b$10$abcdefghijklmnopqrstuuJ8kXxkY5qk8Zr0yq0Zr0yq0Zr0yq0Z"],
    ["half a hash", "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ"],
    ["a pepper that is gone", "k9$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"],
  ])("%s", async (_what, stored) => {
    const hasher = cheap({ peppers: [pepper("k1")] });
    expect(await hasher.verify(RIGHT, stored)).toBe("wrong");
    expect(hasher.computed).toBe(1);
  });
});

describe("PWD-5: a bounded number at once", () => {
  test("500 at once: 4 run, 64 wait, the rest is told at once, and all who stay get an answer", async () => {
    const hasher = cheap({ concurrency: 4, waitingMax: 64 });
    const stored = await hashed(hasher);
    const verdicts = Array.from({ length: 500 }, () => hasher.verify(RIGHT, stored));
    expect(hasher.waiting).toBe(64);
    const counts = { match: 0, wrong: 0, busy: 0 };
    for (const verdict of await Promise.all(verdicts)) counts[verdict]++;
    expect(counts).toEqual({ match: 68, wrong: 0, busy: 432 });
    expect([hasher.computed, hasher.waiting]).toEqual([69, 0]);
    expect(await hasher.verify(RIGHT, stored)).toBe("match");
  });

  test("never more at once than allowed, and first come, first served", async () => {
    const queue = new KdfQueue({ concurrency: 2, waitingMax: 10 });
    const begun: { readonly job: number; readonly end: () => void }[] = [];
    const done = [0, 1, 2, 3, 4, 5].map((job) =>
      queue.run(() => new Promise<void>((end) => begun.push({ job, end }))),
    );
    for (let ended = 0; ended < 6; ended++) {
      await turn();
      expect(begun).toHaveLength(Math.min(ended + 2, 6));
      begun[ended]?.end();
    }
    await Promise.all(done);
    expect(begun.map(({ job }) => job)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test("work that fails leaves its place", async () => {
    const queue = new KdfQueue({ concurrency: 1, waitingMax: 1 });
    const failing = queue.run(() => Promise.reject(new Error("out of memory")));
    const next = queue.run(() => Promise.resolve("done"));
    await expect(failing).rejects.toThrow("out of memory");
    expect(await next).toBe("done");
  });

  test("who does not wait any more leaves the queue, and nothing is computed for them", async () => {
    const hasher = cheap({ concurrency: 1, waitingMax: 2 });
    const stored = await hashed(hasher);
    const gone = new AbortController();
    const running = hasher.verify(RIGHT, stored);
    const abandoned = hasher.verify(RIGHT, stored, gone.signal);
    const patient = hasher.verify(RIGHT, stored);
    expect(await hasher.verify(RIGHT, stored)).toBe("busy");
    gone.abort();
    expect(await abandoned).toBe("busy");
    // There is room again.
    const late = hasher.verify(RIGHT, stored);
    expect(await Promise.all([running, patient, late])).toEqual(["match", "match", "match"]);
    expect(hasher.computed).toBe(4);
    expect(await hasher.verify(RIGHT, stored, gone.signal)).toBe("busy");
    expect(hasher.computed).toBe(4);
  });
});

function cheap(options: PasswordHasherOptions = {}): PasswordHasher {
  return new PasswordHasher({ ...CHEAP, ...options });
}

function pepper(id: string): { id: string; key: Uint8Array } {
  return { id, key: Buffer.alloc(32, id) };
}

async function hashed(hasher: PasswordHasher, text: string = RIGHT): Promise<string> {
  const outcome = await hasher.hash(passwordOf(text));
  if (outcome === "busy") throw new Error("busy");
  return outcome.stored;
}

/** Lets everything that can go on go on. */
async function turn(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}
