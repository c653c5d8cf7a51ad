/** Names of users: one canonical form each, and nothing in it that nobody sees. */
import { describe, expect, test } from "vitest";
import { serverKeys } from "../apps/server/src/server-keys.ts";
import { parseUsername } from "../apps/server/src/users/username.ts";

describe("INP-7: one user, however the name is written", () => {
  test.each([
    ["bob", ["Bob", "BOB", "bob ", "\u00a0bob", "ＢＯＢ", "ⓑⓞⓑ", "\u{1d401}ob"]],
    ["josé", ["José", "JOSE\u0301", " jose\u0301"]],
    ["ﬁona".normalize("NFKC"), ["ﬁona", "FIONA"]],
    ["i̇pek", ["İpek", "i̇pek"]],
    ["i\u0327\u0307pek", ["I\u0327\u0307pek", "İ\u0327pek", "i\u0327\u0307pek"]],
    ["σίσυφος", ["ΣΊΣΥΦΟΣ"]],
    ["🔑", ["🔑"]],
    ["a b", ["a\u2003b", "A b"]],
    ["__proto__", ["__proto__", "__PROTO__"]],
    ["alice:sessions", ["alice:sessions"]],
  ])("%s", (canonical, spellings) => {
    for (const spelling of spellings) {
      expect(parseUsername(spelling).username, spelling).toBe(canonical);
    }
    expect(parseUsername(canonical).username).toBe(canonical);
  });

  test("the form of the form is the form, for every character of Unicode", () => {
    let names = 0;
    for (let code = 0; code <= 0x10ffff; code++) {
      const { username } = parseUsername(`a${String.fromCodePoint(code)}b`);
      if (username === undefined) continue;
      names++;
      if (parseUsername(username).username !== username) throw new Error(code.toString(16));
    }
    expect(names).toBeGreaterThan(140_000);
  });
});

describe("INP-7: what is no name, and says so by its field", () => {
  test.each<[string, unknown, RegExp]>([
    ["a number", 7, /string/],
    ["undefined", undefined, /string/],
    ["nothing", "", /empty/],
    ["blanks", " \u2003", /empty/],
    ["257 bytes", "a".repeat(257), /256 bytes/],
    ["a megabyte", "\ufdfa".repeat(350_000), /256 bytes/],
    ["65 code points", "a".repeat(65), /64 code points/],
    ["what NFKC makes 72 of", "\ufdfa".repeat(4), /64 code points/],
    ["a line break inside", "a\nb", /control/],
    ["a line break at the end", "alice\n", /control/],
    ["NUL", "a\0", /control/],
    ["a C1 control", "a\u0085b", /control/],
    ["right-to-left override", "a\u202eb", /invisible/],
    ["an isolate", "a\u2066b", /invisible/],
    ["zero width space", "ad\u200bmin", /invisible/],
    ["zero width joiner", "ad\u200dmin", /invisible/],
    ["a byte order mark at the beginning", "\ufeffadmin", /invisible/],
    ["soft hyphen", "ad\u00admin", /invisible/],
    ["Hangul filler", "\u3164", /invisible/],
    ["its half-width form", "a\uffa0", /invisible/],
    ["a variation selector", "a\ufe0f", /invisible/],
    ["line separator", "a\u2028", /invisible/],
    ["half a surrogate pair", "a\ud800", /invisible/],
    ["an unassigned code point", "a\u0378", /unassigned/],
    ["private use", "a\ue000", /invisible/],
  ])("%s", (_what, text, message) => {
    const parsed = parseUsername(text);
    expect(parsed).toEqual({
      username: undefined,
      error: { pointer: "/username", message: expect.stringMatching(message) },
    });
  });

  test("64 code points of four bytes are one", () => {
    expect(parseUsername("🔑".repeat(64)).username).toBe("🔑".repeat(64));
  });
});

test("INP-7: no name gets out of its braces in a key", () => {
  const keys = serverKeys("app1:");
  expect(keys.account("a{x}:*%")).toBe("{app1:user:a%7Bx%7D%3A*%25}:account");
  expect(serverKeys("session:").account("ada")).toBe("{user:ada}:account");
  // Two applications on one Redis share neither users nor throttles.
  expect(keys.accountBucket("h")).toBe("{app1:rl:account:h}");
  expect(keys.networkBucket("h")).toBe("{app1:rl:net:h}");
});
