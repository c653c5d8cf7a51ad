import { describe, expect, test } from "vitest";
import { isSessionError } from "./errors.ts";
import { checkUser } from "./record.ts";
import {
  formatToken,
  hashSecret,
  mintSecret,
  parseSessionId,
  parseToken,
  secretMatches,
  systemRandom,
} from "./token.ts";

const SID = "abcdefghijklmnopqrstuv-_";
const SECRET = "0123456789abcdef0123456789ABCDEF";

describe("a token", () => {
  test("split: sid and secret, there and back", () => {
    const parsed = parseToken(`${SID}.${SECRET}`, "split");
    expect(parsed).toEqual({ sid: SID, secret: SECRET });
    expect(parsed && formatToken(parsed)).toBe(`${SID}.${SECRET}`);
  });

  test("literal: the sid alone", () => {
    const parsed = parseToken(SID, "literal");
    expect(parsed).toEqual({ sid: SID, secret: undefined });
    expect(parsed && formatToken(parsed)).toBe(SID);
  });

  const malformed = [
    "",
    SID,
    SECRET,
    `${SID}.`,
    `.${SECRET}`,
    `${SID}.${SECRET}x`,
    `${SID}x.${SECRET}`,
  ];
  malformed.push(
    `${SID}:${SECRET}`,
    ` ${SID}.${SECRET}`,
    `${SID}.${SECRET}\n`,
    `${SID}.${SECRET}.`,
  );
  test.each(malformed)("split refuses %j", (text) => {
    expect(parseToken(text, "split")).toBeUndefined();
  });

  test.each(["", `${SID}x`, SID.slice(1), `${SID}\n`, `${SID}.${SECRET}`, SID.replace("a", "+")])(
    "literal refuses %j",
    (text) => {
      expect(parseToken(text, "literal")).toBeUndefined();
      expect(parseSessionId(text)).toBeUndefined();
    },
  );
});

describe("a secret", () => {
  test("is 32 characters and never the same", () => {
    const secrets = new Set(Array.from({ length: 1_000 }, () => mintSecret(systemRandom)));
    expect(secrets.size).toBe(1_000);
    for (const secret of secrets) expect(secret).toMatch(/^[A-Za-z0-9_-]{32}$/);
  });

  test("is kept as its SHA-256 and matches that alone", () => {
    // The SHA-256 of "abc" as FIPS 180-2 prints it, in base64url.
    expect(hashSecret("abc")).toBe("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
    expect(secretMatches(SECRET, hashSecret(SECRET))).toBe(true);
    expect(secretMatches(SECRET.toLowerCase(), hashSecret(SECRET))).toBe(false);
    for (const hash of ["", "short", SECRET]) expect(secretMatches(SECRET, hash)).toBe(false);
  });
});

describe("a username", () => {
  test.each(["a", " ", "é", "🔑".repeat(64), "x".repeat(256), "__proto__", "\u0000"])(
    "%j is kept as it is",
    (user) => {
      expect(checkUser(user)).toBe(user);
    },
  );

  test.each([undefined, null, 7, ["a"], "", "x".repeat(257), "🔑".repeat(65), "\ud800", "a\udc00"])(
    "%j is refused by name",
    (user) => {
      try {
        checkUser(user);
        expect.fail("was not refused");
      } catch (error) {
        expect(isSessionError(error)).toBe(true);
        expect(error).toMatchObject({ code: "invalid-user", field: "user", status: 400 });
      }
    },
  );
});
