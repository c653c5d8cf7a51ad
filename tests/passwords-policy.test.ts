/** Which passwords are taken, and what the others are told. */
import { describe, expect, test } from "vitest";
import { COMMON_PASSWORDS } from "../apps/server/src/users/common-passwords.ts";
import { type Password, parsePassword } from "../apps/server/src/users/password.ts";
import { passwordPolicy } from "../apps/server/src/users/password-policy.ts";
import { parseUsername, type Username } from "../apps/server/src/users/username.ts";

const ADA = username("ada.lovelace");
const policy = passwordPolicy();

describe("PWD-2: length", () => {
  test.each<[number, boolean]>([
    [14, false],
    [15, true],
    [64, true],
    [1_024, true],
  ])("%i characters that nobody can guess: %s", (length, isGood) => {
    expect(policy.check(password(unguessable(length)), ADA) === undefined).toBe(isGood);
  });

  test("1,025 bytes are refused before anything is done with them, by their field", () => {
    expect(parsePassword("a".repeat(1_025), "next")).toEqual({
      password: undefined,
      error: { pointer: "/next", message: "must be at most 1024 bytes of UTF-8" },
    });
    // In bytes: 300 of these are 1,200.
    expect(parsePassword("🔑".repeat(300)).password).toBeUndefined();
  });

  test("counts characters, not UTF-16 units or bytes", () => {
    const fourteen = "🔑🚪🏠🐈🦉🌵🍉🎻⚓🧭🪁🛶🎲🧶";
    expect(policy.check(password(fourteen), ADA)?.code).toBe("too_short");
    expect(policy.check(password(`${fourteen}🥁`), ADA)).toBeUndefined();
  });

  test("8 only by an explicit option, and nothing outside of 8 to 64", () => {
    const eight = passwordPolicy({ minCodePoints: 8 });
    expect(eight.check(password("kV7#qz!p"), ADA)).toBeUndefined();
    expect(eight.check(password("kV7#qz!"), ADA)?.code).toBe("too_short");
    expect(eight.check(password("sunshine"), ADA)?.code).toBe("common_word");
    for (const minCodePoints of [7, 65, 15.5, Number.NaN]) {
      expect(() => passwordPolicy({ minCodePoints })).toThrow(/minCodePoints/);
    }
  });

  test("no character is asked for and none is forbidden; blanks and NUL are kept", () => {
    for (const text of [
      "vogel mondlicht zahnrad",
      "\0\t \0kqzv\0wmxpj\u00a0x",
      "жнюцгхтбфшщзыэъ",
    ]) {
      expect(policy.check(password(text), ADA)).toBeUndefined();
    }
    expect(password(" a\0 ")).toBe(" a\0 ");
  });

  test("one spelling: é as one character and as two", () => {
    expect(password("cafe\u0301 ｗide")).toBe(password("café wide"));
  });

  test.each([
    ["a number", 7],
    ["nothing", ""],
    ["half a surrogate pair", "x\udc00"],
  ])("%s is no password", (_what, value) => {
    expect(parsePassword(value).password).toBeUndefined();
  });
});

describe("PWD-3: long and easy to guess is refused, with the reason", () => {
  test("the list is long enough to be one", () => {
    expect(new Set(COMMON_PASSWORDS).size).toBe(4_000);
    expect(COMMON_PASSWORDS.slice(0, 2)).toEqual(["123456", "password"]);
  });

  test.each([
    ["password123456789", "product_word"],
    ["P@ssw0rd1234567!!", "product_word"],
    ["latchkeylatchkey", "product_word"],
    ["LatchKey-Login-2026", "product_word"],
    ["MySessionLatchkey", "product_word"],
    ["drowssapdrowssap", "product_word"],
    ["ada.lovelaceada.lovelace", "username"],
    ["ADA.Lovelace2026", "username"],
    ["ecalevol.ada1234", "username"],
    ["iloveyoubabygirl1", "common_word"],
    ["sunshinesunshine", "common_word"],
    ["Dragon!Dragon!Dragon!", "common_word"],
    ["m1ch43lm1ch43l99", "common_word"],
    ["qwertyuiopasdfghjkl", "keyboard_walk"],
    ["!@#$%^&*()_+!@#$", "keyboard_walk"],
    ["plm,.-plm,.-asdfghjkl", "keyboard_walk"],
    ["3edc4rfv5tgb6yhn7ujm", "keyboard_walk"],
    ["abcdefghijklmnopq", "sequence"],
    ["zyxwvutsrqponmlkj", "sequence"],
    ["абвгдежзийклмнопр", "sequence"],
    ["aaaaaaaaaaaaaaaaaaaa", "sequence"],
    ["                    ", "sequence"],
    ["x7k~x7k~x7k~x7k~x7k~", "repetition"],
  ])("%s: %s", (text, code) => {
    const refusal = policy.check(password(text), ADA);
    expect(refusal?.code).toBe(code);
    expect(refusal?.message).toMatch(/^is easy to guess: it /);
    expect(refusal?.message).not.toContain(text);
  });

  test.each([
    ["correct horse battery staple"],
    ["plum-otter-canvas-tide"],
    ["dragon kettle monkey violin"],
    ["wj3$Kd8!qPz0vN5"],
    ["Latchkey is where my otter naps"],
  ])("%s is taken", (text) => {
    expect(policy.check(password(text), ADA)).toBeUndefined();
  });

  test("words of the application's own", () => {
    const own = passwordPolicy({ words: ["Zwiebelfisch", "Köln"] });
    expect(policy.check(password("Zwiebelfisch KÖLN 2026"), ADA)).toBeUndefined();
    expect(own.check(password("Zwiebelfisch KÖLN 2026"), ADA)?.code).toBe("product_word");
  });

  test("the longest that repeat themselves", () => {
    expect(policy.check(password("a".repeat(1_024)), ADA)?.code).toBe("sequence");
    expect(policy.check(password("ab".repeat(512)), ADA)?.code).toBe("repetition");
    // Only so much is looked at: an end that is good does not make up for 128 of the same.
    expect(policy.check(password("a".repeat(128) + unguessable(20)), ADA)?.code).toBe("sequence");
    expect(policy.check(password("a".repeat(100) + unguessable(20)), ADA)).toBeUndefined();
    // NFKC makes 18 characters of each.
    expect(policy.check(password("\ufdfa".repeat(341)), ADA)).toBeUndefined();
  });
});

function password(text: string): Password {
  const parsed = parsePassword(text);
  if (parsed.password === undefined) throw new Error(parsed.error.message);
  return parsed.password;
}

function username(text: string): Username {
  const parsed = parseUsername(text);
  if (parsed.username === undefined) throw new Error(parsed.error.message);
  return parsed.username;
}

/** No two characters next to each other in any order that people know: steps of 17 through 62. */
function unguessable(length: number): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  return Array.from({ length }, (_, i) => alphabet[(i * 17 + (i >> 3) * 5) % 62]).join("");
}
