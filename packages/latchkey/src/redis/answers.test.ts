import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { SessionError } from "../core/errors.ts";
import { ANSWERS, answerOf, refusal } from "./answers.ts";

test("the guide prints this table", () => {
  const guide = readFileSync(new URL("../../../../docs/guide/redis.md", import.meta.url), "utf8");
  const rows = ANSWERS.map(({ word, means, isUndone, so }) => {
    return `| \`${word}\` | ${means} | ${isUndone ? "not done" : "perhaps done"} | ${so} |`;
  });
  expect(guide).toContain(rows.join("\n"));
});

test("no word stands in it twice", () => {
  expect(new Set(ANSWERS.map(({ word }) => word)).size).toBe(ANSWERS.length);
});

test.each(ANSWERS)("$word is one of our results, with words on why", ({ word, means }) => {
  const error = refusal(new Error(`${word} and what the server adds`));
  expect(error).toMatchObject({ code: "store-unavailable", status: 503 });
  expect(error.message).toContain(means);
});

test("a word that is not in the table is an answer, and proves nothing", () => {
  expect(answerOf(new Error("NOVELTY of a later version"))).toMatchObject({ isUndone: false });
});

test("an ACL that stops a script is named as such, though Redis says ERR", () => {
  const text = "ERR The user executing the script can't run this command or subcommand";
  expect(answerOf(new Error(text))?.word).toBe("NOPERM");
});

test.each([
  "Socket closed unexpectedly",
  "Connection is closed.",
  "connect ECONNREFUSED 127.0.0.1:1",
  "read ECONNRESET",
])("%s: the server said nothing", (text) => {
  expect(answerOf(new Error(text))).toBeUndefined();
  expect(refusal(new Error(text)).message).toContain(text);
});

test("what is one of our errors already stays as it is", () => {
  const error = new SessionError("store-unavailable", "no answer in 250 ms");
  expect(refusal(error)).toBe(error);
});
