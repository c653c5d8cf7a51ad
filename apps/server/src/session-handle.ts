/** What stands for a session where its owner can see it, and is no credential. */
import { createHash } from "node:crypto";

export type HandleOf = (sid: string) => string;

/** Hexadecimal digits, 96 bits: two of a user's sessions never share them. */
const DIGITS = 24;

/** The id itself; where that is the token, a hash of it. From 144 random bits no hash leads back. */
export function handlesOf({ isSidSecret }: { readonly isSidSecret: boolean }): HandleOf {
  if (!isSidSecret) return (sid) => sid;
  return (sid) => createHash("sha256").update(sid).digest("hex").slice(0, DIGITS);
}
