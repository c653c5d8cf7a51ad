/**
 * Which new passwords are good enough (NIST SP 800-63B-4 §3.1.1.2, OWASP ASVS 6.2): long, and not easy
 * to guess for their length. No rule asks for digits or signs; no rule forbids any character.
 *
 * A list of common passwords alone refuses next to nothing of fifteen characters: people who must be
 * long write `password123456789`. So a password is taken apart into what guessers try, and each part
 * weighs as few characters as it is worth: a common word two, a run such as `12345` or `aaaa`, a walk
 * over the keyboard and a repetition one, any other character one. What weighs less than eight is
 * refused: as good as eight characters that nobody knows, the least that ASVS takes.
 */
import { type Part, type PartKind, partsOf, wordsWith } from "./guessable-parts.ts";
import type { Password } from "./password.ts";
import type { Username } from "./username.ts";

/** Stable, for programs. `too_long` has no place here: `parsePassword` refuses it. */
export type PasswordRefusalCode = "too_short" | PartKind;

export interface PasswordRefusal {
  readonly code: PasswordRefusalCode;
  /** For people; says what is wrong, and repeats nothing of the password. */
  readonly message: string;
}

export interface PasswordPolicy {
  /** Undefined: it is good. */
  check(password: Password, username: Username): PasswordRefusal | undefined;
}

export interface PasswordPolicyOptions {
  /** In code points, 8 to 64. Default 15: what NIST asks where the password is the only factor. */
  readonly minCodePoints?: number;
  /** More words that guessers of this application try first: its name, that of its owner. */
  readonly words?: readonly string[];
}

export const PASSWORD_MIN_CODE_POINTS = 15;
const MIN_CODE_POINTS: readonly [number, number] = [8, 64];
const WEIGHT_MIN = 8;

/** The most telling reason first. */
const WHY: Readonly<Record<PartKind, string>> = {
  username: "is little more than the user name",
  product_word: "is little more than words that everyone tries here first",
  common_word: "is made of common passwords",
  keyboard_walk: "is made of keys that are next to each other",
  sequence: "is made of characters in order, or of one character",
  repetition: "repeats itself",
  character: "has too few different parts",
};

/** Throws `RangeError` for a bad option, with its name. */
export function passwordPolicy(options: PasswordPolicyOptions = {}): PasswordPolicy {
  const { minCodePoints = PASSWORD_MIN_CODE_POINTS, words = [] } = options;
  const [least, most] = MIN_CODE_POINTS;
  if (!Number.isSafeInteger(minCodePoints) || minCodePoints < least || minCodePoints > most) {
    throw new RangeError(`minCodePoints must be a whole number from ${least} to ${most}`);
  }
  return {
    check(password, username) {
      const length = [...password].length;
      if (length < minCodePoints) {
        return { code: "too_short", message: `must be at least ${minCodePoints} characters long` };
      }
      const parts = partsOf(password, wordsWith(username, words));
      const weight = parts.reduce((sum, part) => sum + part.weight, 0);
      if (weight >= WEIGHT_MIN) return undefined;
      const code = main(parts);
      return { code, message: `is easy to guess: it ${WHY[code]}` };
    },
  };
}

/** What to tell of it: the first kind of `WHY` that it has, the most telling one. */
function main(parts: readonly Part[]): PartKind {
  const kinds = Object.keys(WHY) as PartKind[];
  return kinds.find((kind) => parts.some((part) => part.kind === kind)) ?? "character";
}
