/**
 * Stands in the log for what must not stand there: the same value has the same pseudonym, so that
 * lines can be matched, and without the key nobody finds the value, not even by trying them all:
 * there are only 2^32 IPv4 addresses, and few passwords that people type in the wrong field.
 */
import { createHmac } from "node:crypto";

/** One kind of value never has the pseudonym of another: a name does not give an address away. */
export type PseudonymKind = "session" | "user" | "address";

/** 12 hexadecimal digits: two of 16 million sessions share one by a chance of less than a half. */
export type Pseudonymize = (kind: PseudonymKind, value: string) => string;

const KEY_MIN_BYTES = 32;
const DIGITS = 12;

/**
 * @param key 32 random bytes or more, of this purpose alone. Servers whose logs are to be matched
 * share it. Throws a `RangeError` if it is shorter.
 */
export function pseudonymizer(key: Uint8Array): Pseudonymize {
  if (key.length < KEY_MIN_BYTES) {
    throw new RangeError(`a key of pseudonyms has at least ${KEY_MIN_BYTES} bytes`);
  }
  return (kind, value) =>
    createHmac("sha256", key).update(`${kind}\0${value}`).digest("hex").slice(0, DIGITS);
}
