/** The checker of histories itself: it must see what is wrong, and must not see what is not. */
import { describe, expect, test } from "vitest";
import { type Call, isLinearizable } from "../support/linearizability.ts";
import { parse } from "../support/stores.ts";
import { type Input, type Shared, specification } from "./history.ts";

const SID = "a".repeat(24);
const NONE = `${SID} null`;
const shared: Shared = { sid: parse(SID), user: "ada", secretHash: null };

/** A call from one instant to another, and what was answered. */
function call(from: number, to: number, input: Input, answer?: string): Call<Input> {
  return {
    calledAt: from,
    returnedAt: answer === undefined ? Number.POSITIVE_INFINITY : to,
    input,
    answer,
  };
}

const create: Input = { verb: "create" };
const load: Input = { verb: "load" };
const revoke: Input = { verb: "revoke" };
const touch: Input = { verb: "touch" };
const set = (field: string, text: string, ifVersion: number | null = null): Input => ({
  ...{ verb: "update", field, text, ifVersion },
});
const rotate = (sid: string, next: string): Input => ({
  ...{ verb: "rotate", sid, secretHash: null, next: { sid: next, secretHash: null } },
  ...{ seed: "", hasGrace: true },
});

const begun = call(0, 1, create, "created");

describe("accepted", () => {
  test.each<[string, Call<Input>[]]>([
    ["nothing", []],
    [
      "one call after the other",
      [
        begun,
        call(2, 3, set("a", "1"), "updated 1"),
        call(4, 5, load, `found 1 {a=1} ${NONE}`),
        call(6, 7, revoke, "revoked"),
        call(8, 9, load, "missing"),
      ],
    ],
    [
      "two at once, of which the later one was first",
      [begun, call(2, 9, set("a", "1"), "updated 2"), call(3, 8, set("a", "2"), "updated 1")],
    ],
    [
      "a read during a write, before it or after it",
      [
        begun,
        call(2, 9, set("a", "1"), "updated 1"),
        call(3, 4, load, `found 0 {} ${NONE}`),
        call(5, 6, load, `found 1 {a=1} ${NONE}`),
      ],
    ],
    [
      "a write that timed out and happened, late",
      [
        begun,
        call(2, 3, set("a", "1")),
        call(4, 5, load, `found 0 {} ${NONE}`),
        call(6, 7, load, `found 1 {a=1} ${NONE}`),
      ],
    ],
    [
      "a write that timed out and never happened",
      [begun, call(2, 3, revoke), call(4, 5, touch, "live")],
    ],
    [
      "an old id that means the session after a rotation",
      [
        begun,
        call(2, 3, rotate(SID, "b"), "rotated"),
        call(4, 5, load, "found 0 {} b null"),
        call(6, 7, rotate(SID, "c"), "repeated b "),
      ],
    ],
  ])("%s", (_name, history) => {
    expect(isLinearizable(history, specification(shared))).toBe(true);
  });
});

describe("rejected", () => {
  test.each<[string, Call<Input>[]]>([
    [
      "a stale read",
      [begun, call(2, 3, set("a", "1"), "updated 1"), call(4, 5, load, `found 0 {} ${NONE}`)],
    ],
    [
      "two reads that see a write come and go",
      [
        begun,
        call(2, 9, set("a", "1"), "updated 1"),
        call(3, 4, load, `found 1 {a=1} ${NONE}`),
        call(5, 6, load, `found 0 {} ${NONE}`),
      ],
    ],
    ["a session that came back", [begun, call(2, 3, revoke, "revoked"), call(4, 5, touch, "live")]],
    [
      "a session that came back during a write beside the logout",
      [
        begun,
        call(2, 9, set("a", "1"), "updated 1"),
        call(3, 4, revoke, "revoked"),
        call(10, 11, load, `found 1 {a=1} ${NONE}`),
      ],
    ],
    [
      "a lost update",
      [
        begun,
        call(2, 5, set("a", "1"), "updated 1"),
        call(3, 6, set("b", "2"), "updated 2"),
        call(7, 8, load, `found 2 {b=2} ${NONE}`),
      ],
    ],
    [
      "two that both wrote the same version",
      [begun, call(2, 5, set("a", "1", 0), "updated 1"), call(3, 6, set("a", "2", 0), "updated 1")],
    ],
    [
      "two that both ended it",
      [begun, call(2, 5, revoke, "revoked"), call(3, 6, revoke, "revoked")],
    ],
    [
      "two that both rotated it",
      [begun, call(2, 5, rotate(SID, "b"), "rotated"), call(3, 6, rotate(SID, "c"), "rotated")],
    ],
    [
      "a write that timed out, seen before it was asked for",
      [begun, call(2, 3, load, `found 1 {a=1} ${NONE}`), call(4, 5, set("a", "1"))],
    ],
  ])("%s", (_name, history) => {
    expect(isLinearizable(history, specification(shared))).toBe(false);
  });
});
