/**
 * Requests beside each other, in every order that their calls of the store can take. Whatever the
 * order: what a logout ended stays ended, and nobody is handed a token that opens nothing.
 */
import assert from "node:assert/strict";
import { isSessionError, type Layout, type Session } from "latchkey";
import { afterAll, describe, expect, test } from "vitest";
import { everyOrder, type Orders } from "../support/every-order.ts";
import { atomic, type Make, readAndWrite, type Stage, stage } from "./stage.ts";

const LAYOUTS: readonly Layout[] = ["split", "literal"];
const MINUTE = 60_000;

let orders = 0;

afterAll(() => console.log(`interleavings: ${orders} orders beside a logout`));

/** What one request does with its session, and what it must see. */
type Handler = (session: Session, scene: Stage) => Promise<void>;

const writes: Handler = async (session, { done }) => {
  session.data["n"] = 1;
  const outcome = await session.commit();
  const before = done.slice(0, done.lastIndexOf(`update ${outcome}`));
  if (before.includes("revoke revoked")) assert.equal(outcome, "gone");
  // A new id without a grace is an end, too, for whoever has the old one.
  else assert.ok(outcome === "updated" || before.includes("rotate rotated"));
};

const writesTwice: Handler = async (session) => {
  session.data["a"] = 1;
  const first = await session.commit();
  session.data["b"] = 2;
  const second = await session.commit();
  // Once gone, always gone; an anonymous session is no continuation.
  if (first === "gone") assert.equal(second, "gone");
};

const rotates: Handler = async (session) => {
  const login = await session.rotate();
  assert.equal(session.status, login === undefined ? "invalid" : "valid");
};

const rotatesAtOnce: Handler = async (session) => {
  const login = await session.rotate({ grace: false });
  assert.equal(session.status, login === undefined ? "invalid" : "valid");
};

/** Nothing but its use. */
const isUsed: Handler = async () => {};

const logsOut: Handler = (session) => session.logout();

interface Scene {
  readonly others: readonly Handler[];
  /** The last use is so long ago that this one is worth a write. */
  readonly isIdle?: boolean;
}

/** Everyone has the token of one session of ada's, and one of them ends it. */
function besideLogout(layout: Layout, make: Make, { others, isIdle }: Scene): Promise<Orders> {
  return everyOrder(async (step) => {
    const scene = stage(step, layout, make);
    const token = await scene.begin("ada");
    if (isIdle) scene.clock.advance(10 * MINUTE);
    const found = await Promise.all(
      [logsOut, ...others].map((handler) =>
        scene.request(token, async (session) => {
          // Who comes after the end has nothing to do: what he began would be his own.
          if (session.status !== "valid") return false;
          await handler(session, scene);
          return true;
        }),
      ),
    );
    await scene.checkHandedOut();
    // A rotation without grace came before: then the logout named no session.
    if (!found[0]) return;
    assert.deepEqual(await scene.opening(), []);
    assert.deepEqual(await scene.backstage.list("ada"), []);
  });
}

const PAIRS: Record<string, Scene> = {
  "a write": { others: [writes] },
  "two writes": { others: [writesTwice] },
  "a use": { others: [isUsed], isIdle: true },
  "a use and a write in one request": { others: [writes], isIdle: true },
  "a rotation": { others: [rotates] },
  "a rotation without grace": { others: [rotatesAtOnce] },
};

const CROWDS: Record<string, Scene> = {
  "a use and a write": { others: [isUsed, writes], isIdle: true },
  "a write and a rotation": { others: [writesTwice, rotates] },
  "a write, a rotation and a rotation without grace": {
    others: [writes, rotates, rotatesAtOnce],
  },
  "a second logout and a rotation": { others: [logsOut, rotates] },
  "a second logout and a write": { others: [logsOut, writes] },
};

test("two actors of two steps each are played in all six orders, and the bad one is named", async () => {
  const { count, broken } = await everyOrder(async (step) => {
    const done: string[] = [];
    const actor = async (name: string): Promise<void> => {
      for (const part of [1, 2]) {
        await step(`${name}${part}`);
        done.push(`${name}${part}`);
      }
    };
    await Promise.all([actor("a"), actor("b")]);
    assert.notDeepEqual(done, ["a1", "b1", "b2", "a2"]);
  });
  expect(count).toBe(6);
  expect(broken.map(({ order }) => order)).toEqual([["a1", "b1", "b2", "a2"]]);
});

describe("after a logout nothing opens the session, whenever there was meanwhile", () => {
  test.each(inLayouts({ ...PAIRS, ...CROWDS }))("%s (%s)", async (_name, layout, scene) => {
    const { count, broken } = await besideLogout(layout, atomic, scene);
    orders += count;
    expect(broken).toEqual([]);
  });

  test("two rotations (split)", async () => {
    const { broken } = await besideLogout("split", atomic, { others: [rotates, rotates] });
    expect(broken).toEqual([]);
  });

  // Answered from the note of the old id alone, the second is handed a token that the logout has ended.
  test("two rotations (literal)", async () => {
    const { broken } = await besideLogout("literal", atomic, { others: [rotates, rotates] });
    expect(broken).toEqual([]);
  });
});

// Reading, changing and writing back brings the session to life again.
describe("a store that reads and writes lets it live on, beside", () => {
  test.each(inLayouts(PAIRS))("%s (%s)", async (_name, layout, scene) => {
    const { count, broken } = await besideLogout(layout, readAndWrite, scene);
    expect(broken.length).toBeGreaterThan(0);
    expect(broken.length).toBeLessThan(count);
  });
});

describe("beside a rotation without grace, two others are handed no dead token", () => {
  const rotations = (layout: Layout): Promise<Orders> =>
    everyOrder(async (step) => {
      const scene = stage(step, layout, atomic);
      const token = await scene.begin("ada");
      await Promise.all(
        [rotatesAtOnce, rotates, rotates].map((handler) =>
          scene.request(token, async (session) => {
            if (session.status === "valid") await handler(session, scene);
          }),
        ),
      );
      await scene.checkHandedOut();
      assert.equal((await scene.opening()).length, 1);
    });

  test("split", async () => {
    expect((await rotations("split")).broken).toEqual([]);
  });

  // Told of the id between, which is dead, the browser of the last one loses a living session.
  test("literal", async () => {
    expect((await rotations("literal")).broken).toEqual([]);
  });
});

describe("a rotation without grace ends the old token for requests under way, too", () => {
  const underWay = (layout: Layout): Promise<Orders> =>
    everyOrder(async (step) => {
      const scene = stage(step, layout, atomic);
      const token = await scene.begin("ada");
      await Promise.all(
        [rotatesAtOnce, writes].map((handler) =>
          scene.request(token, async (session) => {
            if (session.status === "valid") await handler(session, scene);
          }),
        ),
      );
      const rotated = scene.done.indexOf("rotate rotated");
      assert.ok(!scene.done.slice(rotated).includes("update updated"));
    });

  test("literal", async () => {
    expect((await underWay("literal")).broken).toEqual([]);
  });

  // Where the id stays, a request that was let in before writes after it.
  test("split", async () => {
    expect((await underWay("split")).broken).toEqual([]);
  });
});

describe("a login ends what was before it, whatever that does meanwhile", () => {
  const others = { "a write": writes, "a rotation": rotates, "a logout": logsOut };
  test.each(inLayouts(others))("over an anonymous session: %s (%s)", async (_n, layout, other) => {
    const { broken } = await loginBeside(layout, atomic, undefined, other);
    expect(broken).toEqual([]);
  });

  test.each(inLayouts(others))("over one's own session: %s (%s)", async (_n, layout, other) => {
    const { broken } = await loginBeside(layout, atomic, "ada", other);
    expect(broken).toEqual([]);
  });

  test.each(inLayouts({ "a write": writes }))(
    "the usual store fails: %s (%s)",
    async (_n, layout, other) => {
      for (const user of [undefined, "ada"]) {
        const { broken } = await loginBeside(layout, readAndWrite, user, other);
        expect(broken.length).toBeGreaterThan(0);
      }
    },
  );
});

/** Two requests with one session, anonymous or ada's; ada logs in with the first. */
function loginBeside(
  layout: Layout,
  make: Make,
  user: string | undefined,
  other: Handler,
): Promise<Orders> {
  return everyOrder(async (step) => {
    const scene = stage(step, layout, make);
    const token = await scene.begin(user);
    const [login] = await Promise.all([
      scene.request(token, (session) => session.login("ada")),
      scene.request(token, async (session) => {
        if (session.status === "valid") await other(session, scene);
      }),
    ]);
    await scene.checkHandedOut();
    // Ada's other request may have logged out the session after the login had renewed it.
    const isOut = user === "ada" && other === logsOut && (await scene.opening()).length === 0;
    assert.deepEqual(await scene.opening(), isOut ? [] : [login.token]);
    const listed = await scene.backstage.list("ada");
    assert.deepEqual(
      listed.map(({ sid }) => sid),
      isOut ? [] : [login.sid],
    );
    // What was written to her session before the login renewed it is in it.
    if (user === undefined || !scene.done.includes("update updated")) return;
    const answer = await scene.backstage.check(login.token);
    assert.equal(answer.status === "valid" && answer.record.data.get("n"), "1");
  });
}

describe("a revoke-all ends every login that began before it", () => {
  test.each(LAYOUTS)("a login whose password was checked meanwhile (%s)", async (layout) => {
    const { broken } = await revokeAllBeside(layout, atomic, undefined);
    expect(broken).toEqual([]);
    const naive = await revokeAllBeside(layout, readAndWrite, undefined);
    expect(naive.broken.length).toBeGreaterThan(0);
  });

  test.each(LAYOUTS)("a login over one's own session (%s)", async (layout) => {
    const { broken } = await revokeAllBeside(layout, atomic, "ada");
    expect(broken).toEqual([]);
  });

  test.each(LAYOUTS)(
    "but for the one that is kept, also while it is rotated (%s)",
    async (layout) => {
      const { broken } = await everyOrder(async (step) => {
        const scene = stage(step, layout, atomic);
        const [token, other] = [await scene.begin("ada"), await scene.begin("ada")];
        await Promise.all([
          scene.request(token, async (session) => {
            await scene.sessions.revokeUser("ada", { except: session.sid ?? "" });
          }),
          scene.request(token, (session) => rotates(session, scene)),
        ]);
        await scene.checkHandedOut();
        const opening = await scene.opening();
        assert.ok(!opening.includes(other));
        assert.deepEqual(opening, [token, scene.tokens.at(-1) ?? ""]);
        assert.equal((await scene.backstage.list("ada")).length, 1);
      });
      expect(broken).toEqual([]);
    },
  );
});

function revokeAllBeside(layout: Layout, make: Make, user: string | undefined): Promise<Orders> {
  return everyOrder(async (step) => {
    const scene = stage(step, layout, make);
    const token = user === undefined ? "" : await scene.begin(user);
    await Promise.all([
      scene.sessions.revokeUser("ada"),
      scene.request(token, async (session) => {
        const generation = await scene.sessions.generation("ada");
        return session.login("ada", { generation }).catch((error: unknown) => {
          assert.equal(isSessionError(error) && error.code, "stale-credential");
        });
      }),
    ]);
    await scene.checkHandedOut();
    const revoked = scene.done.findIndex((entry) => entry.startsWith("revokeUser"));
    const asked = scene.done.findIndex((entry) => entry.startsWith("generation"));
    assert.equal((await scene.opening()).length, asked > revoked ? 1 : 0);
  });
}

test("of what one request asks at once, the logout comes last or all after it is gone", async () => {
  for (const layout of LAYOUTS) {
    const { broken } = await everyOrder(async (step) => {
      const scene = stage(step, layout, atomic);
      const token = await scene.begin("ada");
      await scene.request(token, async (session) => {
        session.data["n"] = 1;
        await Promise.all([session.commit(), session.rotate(), session.logout(), session.rotate()]);
        assert.equal(session.status, "invalid");
      });
      await scene.checkHandedOut();
      assert.deepEqual(await scene.opening(), []);
    });
    expect(broken).toEqual([]);
  }
});

function inLayouts<T>(scenes: Readonly<Record<string, T>>): [string, Layout, T][] {
  return Object.entries(scenes).flatMap(([name, scene]) =>
    LAYOUTS.map((layout): [string, Layout, T] => [name, layout, scene]),
  );
}
