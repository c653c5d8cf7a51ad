import { describe, expect, test } from "vitest";
import { parseSessionId } from "../core/token.ts";
import { decodeLoad } from "./codec.ts";
import { ownReply } from "./guard.ts";

const SID = parseSessionId("abcdefghijklmnopqrstuvwx");
const KEY = `session:${SID}`;
const NOW = 1_750_000_000_000;

describe("decodeLoad", () => {
  test("a reply to this request", () => {
    expect(decode([KEY, "missing"])).toEqual({ outcome: "missing" });
    expect(decode([KEY, "corrupt", "why"])).toEqual({ outcome: "corrupt", reason: "why" });
    const found = decode([KEY, "found", NOW, "ada", NOW + 5, "v", "2", ":cart", "[]"]);
    expect(found).toMatchObject({
      outcome: "found",
      record: {
        sid: SID,
        user: "ada",
        remainingMs: 5,
        version: 2,
        data: new Map([["cart", "[]"]]),
      },
    });
  });

  // After one stray byte node-redis hands each reply to the request before: without this check a
  // visitor would get the session of the next one.
  test.each([
    ["another session's reply", ["session:someone-elses-session-id", "found", NOW, "bob", NOW + 5]],
    ["a PONG", "PONG"],
    ["null", null],
    ["a status", "OK"],
    ["an empty array", []],
    ["no clock", [KEY, "found", null, "ada", NOW + 5]],
    ["no user", [KEY, "found", NOW, null, NOW + 5]],
    ["another word", [KEY, "maybe"]],
  ])("%s is unknown, not an answer", (_name, reply) => {
    expect(() => decode(reply)).toThrow(expect.objectContaining({ code: "store-unavailable" }));
  });
});

function decode(reply: unknown): unknown {
  if (SID === undefined) throw new Error("a sid has 24 characters");
  return decodeLoad(ownReply(reply, KEY), SID);
}
