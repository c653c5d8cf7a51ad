/**
 * Names of users in the production profile: one canonical form per name, and only that form is ever
 * stored, compared, throttled or put into a session.
 */
import type { FieldError } from "../problem.ts";

/** A canonical name: 1 to 64 code points, at most 256 bytes of UTF-8. Made by `parseUsername` alone. */
export type Username = string & { readonly __brand: "Username" };

export type ParsedUsername =
  | { readonly username: Username }
  | { readonly username: undefined; readonly error: FieldError };

/** Looked at first: NFKC of a megabyte costs seconds, and can grow eighteen-fold. */
export const USERNAME_MAX_BYTES = 256;
export const USERNAME_MAX_CODE_POINTS = 64;

/**
 * What nobody sees, and what moves other text about: control, format (bidi, zero-width), private use,
 * half surrogate pairs, line separators, fillers. And what Unicode has not assigned yet: only of
 * assigned characters is it promised that their NFKC stays the same for ever.
 */
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;

/**
 * The canonical form: NFKC, lower case (that of Unicode, no country's), NFKC again because lower case
 * can undo it (`İ` before a cedilla), and no blanks at the ends. `Bob`, `bob ` and `ＢＯＢ` are one user; `ß` and `ss` are two.
 */
export function parseUsername(text: unknown): ParsedUsername {
  if (typeof text !== "string") return refused("must be a string");
  if (Buffer.byteLength(text) > USERNAME_MAX_BYTES) {
    return refused(`must be at most ${USERNAME_MAX_BYTES} bytes of UTF-8`);
  }
  const folded = text.normalize("NFKC").toLowerCase().normalize("NFKC");
  // Before blanks go: to trim() a line break and U+FEFF are blanks too.
  if (UNSEEN.test(folded)) {
    return refused("must not contain control, invisible or unassigned characters");
  }
  const username = folded.trim();
  if (username === "") return refused("must not be empty");
  if ([...username].length > USERNAME_MAX_CODE_POINTS) {
    return refused(`must be at most ${USERNAME_MAX_CODE_POINTS} code points`);
  }
  return { username: username as Username };
}

function refused(message: string): ParsedUsername {
  return { username: undefined, error: { pointer: "/username", message } };
}
