/** A password as somebody typed it, made ready to be hashed: bounded, and in one spelling. */
import type { FieldError } from "../problem.ts";

/** In NFKC, whole: nothing was cut or trimmed, blanks and NUL are kept. Made by `parsePassword` alone. */
export type Password = string & { readonly __brand: "Password" };

export type ParsedPassword =
  | { readonly password: Password }
  | { readonly password: undefined; readonly error: FieldError };

/** As sent. Room for 64 code points in any script, and for no one who wants to keep a hash busy. */
export const PASSWORD_MAX_BYTES = 1_024;

/**
 * NFKC, so that `é` typed as one character and as two are one password (NIST SP 800-63B-4 §3.1.1.2).
 *
 * @param field the name of the field that it came in, for the error
 */
export function parsePassword(text: unknown, field = "password"): ParsedPassword {
  const refused = (message: string): ParsedPassword => ({
    password: undefined,
    error: { pointer: `/${field}`, message },
  });
  if (typeof text !== "string") return refused("must be a string");
  if (text === "") return refused("must not be empty");
  if (Buffer.byteLength(text) > PASSWORD_MAX_BYTES) {
    return refused(`must be at most ${PASSWORD_MAX_BYTES} bytes of UTF-8`);
  }
  // In UTF-8 all halves of pairs become U+FFFD: different passwords would be the same.
  if (/\p{Surrogate}/u.test(text)) return refused("must not contain half surrogate pairs");
  return { password: text.normalize("NFKC") as Password };
}
