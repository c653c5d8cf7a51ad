/** Takes a password apart into what guessers try: the reading that is cheapest for them. */
import { COMMON_PASSWORDS } from "./common-passwords.ts";

export type PartKind =
  | "username"
  | "product_word"
  | "common_word"
  | "keyboard_walk"
  | "sequence"
  | "repetition"
  | "character";

export interface Part {
  readonly kind: PartKind;
  /** In UTF-16 units of the folded password. */
  readonly length: number;
  /** How many characters it is worth. */
  readonly weight: number;
}

/** What kind of word this is, if it is one. */
export type Words = (text: string) => PartKind | undefined;

/** A shorter run or repetition saves nothing worth the name. */
const RUN_MIN = 3;
/** No word of the lists is longer but a user name, which has at most 64. */
const WORD_MAX = 64;
/**
 * In UTF-16 units: room for the 64 characters that anyone may use. What weighs enough so far weighs
 * enough; and whoever sends 1,024 bytes of `a` is refused in 2 ms, not in 50.
 */
const LOOKED_AT_MAX = 128;
const WEIGHTS: Readonly<Record<PartKind, number>> = {
  ...{ username: 2, product_word: 2, common_word: 2 },
  ...{ keyboard_walk: 1, sequence: 1, repetition: 1, character: 1 },
};
/** What is tried at a login of this kind; the list of common passwords counts everyone's. */
const PRODUCT_WORDS = [
  ..."latchkey password passwort passphrase login logon signin session sessions".split(" "),
  ..."server secret admin administrator user username account redis auth token".split(" "),
  ..."welcome changeme letmein default".split(" "),
];
/** Rows of English, German and French keyboards, and the slanted columns from left to right. */
const KEYBOARD = [
  ..."`1234567890-= qwertyuiop[]\\ asdfghjkl;' zxcvbnm,./ !@#$%^&*()_+".split(" "),
  ..."qwertzuiop yxcvbnm,.- azertyuiop qsdfghjklm wxcvbn,;:!".split(" "),
  "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
];
const WALKS = KEYBOARD.flatMap((row) => [row, reversed(row)]);
/** Signs that stand for letters; `1` is read as `i` and as `l`. */
const LEET: Readonly<Record<string, string>> = {
  ...{ "@": "a", "4": "a", "3": "e", "0": "o", "5": "s", $: "s", "7": "t", "!": "i" },
};
const YEAR = /^(19|20)\d\d$/;

const LISTED: ReadonlyMap<string, PartKind> = new Map([
  ...COMMON_PASSWORDS.flatMap((word) => bothWays(word, "common_word")),
  ...PRODUCT_WORDS.flatMap((word) => bothWays(word, "product_word")),
]);

/** The lists, and what is special about this user and application; forwards and backwards. */
export function wordsWith(username: string, more: readonly string[]): Words {
  const own = new Map([
    ...more.flatMap((word) => bothWays(fold(word), "product_word")),
    ...bothWays(fold(username), "username"),
  ]);
  return (text) => own.get(text) ?? LISTED.get(text);
}

/** The cheapest way to put the password together: its first `LOOKED_AT_MAX` units, in their order. */
export function partsOf(password: string, words: Words): readonly Part[] {
  const text = fold(password).slice(0, LOOKED_AT_MAX);
  const readings = [text, unleeted(text, "i"), unleeted(text, "l")];
  const repetitions = repetitionsIn(text);
  // best[i]: the last part of the cheapest way to write the first i units, and what that way weighs.
  const best: { readonly part: Part | undefined; readonly sum: number }[] = [];
  best[0] = { part: undefined, sum: 0 };
  const offer = (at: number, kind: PartKind, length: number): void => {
    const weight = WEIGHTS[kind];
    const sum = (best[at]?.sum ?? 0) + weight;
    const known = best[at + length];
    if (known === undefined || sum < known.sum) {
      best[at + length] = { part: { kind, length, weight }, sum };
    }
  };
  const offerUpTo = (at: number, kind: PartKind, longest: number): void => {
    for (let length = RUN_MIN; length <= longest; length++) offer(at, kind, length);
  };
  for (let at = 0; at < text.length; at++) {
    offer(at, "character", 1);
    for (const { kind, length } of wordsAt(at, readings, words)) offer(at, kind, length);
    if (YEAR.test(text.slice(at, at + 4))) offer(at, "sequence", 4);
    offerUpTo(at, "sequence", sequenceAt(at, text));
    offerUpTo(at, "keyboard_walk", walkAt(at, text));
    offerUpTo(at, "repetition", repetitions[at] ?? 0);
  }
  const parts: Part[] = [];
  for (let at = text.length; at > 0; ) {
    const part = best[at]?.part;
    if (part === undefined) break;
    parts.unshift(part);
    at -= part.length;
  }
  return parts;
}

/** Words that stand at `at`, in any reading. */
function wordsAt(
  at: number,
  readings: readonly string[],
  words: Words,
): readonly { readonly kind: PartKind; readonly length: number }[] {
  const found: { kind: PartKind; length: number }[] = [];
  for (const reading of readings) {
    const longest = Math.min(WORD_MAX, reading.length - at);
    for (let length = RUN_MIN; length <= longest; length++) {
      const kind = words(reading.slice(at, at + length));
      if (kind !== undefined) found.push({ kind, length });
    }
  }
  return found;
}

/** How far it goes on from `at` by the same step of 1, 0 or -1: `abc`, `aaa`, `321`. */
function sequenceAt(at: number, text: string): number {
  const step = (from: number): number => text.charCodeAt(from + 1) - text.charCodeAt(from);
  let length = 1;
  while (Math.abs(step(at)) <= 1 && step(at + length - 1) === step(at)) length++;
  return length;
}

/** How far it goes on from `at` along a row of some keyboard, in either direction. */
function walkAt(at: number, text: string): number {
  const lengths = WALKS.map((row) => {
    const from = row.indexOf(text.charAt(at));
    let length = 0;
    while (from >= 0 && at + length < text.length && row[from + length] === text[at + length]) {
      length++;
    }
    return length;
  });
  return Math.max(...lengths);
}

/**
 * For each place, how far what begins there is as something that begins before it. One row of the
 * table of all pairs follows from the row after it, where a search from each place would take the cube
 * of the length for `aaaa…`.
 */
function repetitionsIn(text: string): readonly number[] {
  const longest: number[] = [];
  let below: number[] = [];
  for (let at = text.length - 1; at >= 0; at--) {
    const row: number[] = [];
    for (let before = 0; before < at; before++) {
      row[before] = text[before] === text[at] ? (below[before + 1] ?? 0) + 1 : 0;
    }
    longest[at] = row.reduce((most, length) => Math.max(most, length), 0);
    below = row;
  }
  return longest;
}

function fold(text: string): string {
  return text.normalize("NFKC").toLowerCase();
}

function unleeted(text: string, one: "i" | "l"): string {
  return text.replace(/[@$!013457]/g, (sign) => LEET[sign] ?? one);
}

function bothWays(word: string, kind: PartKind): readonly (readonly [string, PartKind])[] {
  return [
    [word, kind],
    [reversed(word), kind],
  ];
}

function reversed(text: string): string {
  return [...text].reverse().join("");
}
