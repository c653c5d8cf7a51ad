/**
 * Every error that a Redis server answers with, and what becomes of it. docs/guide/redis.md prints
 * this table, and a test keeps the two equal.
 */
import { isSessionError, SessionError } from "../core/errors.ts";

export interface Answer {
  /** The first word of the server's error. */
  readonly word: string;
  /** For people: what is the matter with Redis. */
  readonly means: string;
  /** Whether a write that was answered like this has surely not happened. */
  readonly isUndone: boolean;
  /**
   * `fails`: the call is "store-unavailable", the connection stays. `reconnects`: the same, and the
   * next connection must first show that it reaches a primary. `recovers`: the driver sends what
   * helps, and the caller sees nothing unless the time limit ends.
   */
  readonly so: "fails" | "reconnects" | "recovers";
}

/** Scripts are refused before their first write, or run to their end: none is ever half done. */
export const ANSWERS: readonly Answer[] = [
  entry("NOSCRIPT", "it does not know our script yet", true, "recovers"),
  entry(
    "MOVED",
    "another node serves this slot; without redis+cluster:// nobody asks it",
    true,
    "recovers",
  ),
  entry("ASK", "the key has moved to another node ahead of its slot", true, "recovers"),
  entry("TRYAGAIN", "the slot is being moved and its keys are on two nodes", true, "recovers"),
  entry("LOADING", "it is loading its data", true, "reconnects"),
  entry("READONLY", "it is a replica, no primary", true, "reconnects"),
  entry("MASTERDOWN", "it is a replica that has lost its primary", true, "reconnects"),
  entry("CLUSTERDOWN", "nobody serves this slot", true, "fails"),
  entry("OOM", "it is full: only what frees memory is accepted", true, "fails"),
  entry("MISCONF", "it cannot save to disk and accepts no writes", true, "fails"),
  entry("NOREPLICAS", "it has too few replicas and accepts no writes", true, "fails"),
  entry("BUSY", "another client's script holds it up", true, "fails"),
  entry("UNKILLABLE", "another client's script holds it up and has written", true, "fails"),
  entry("NOPERM", "the ACL of our user forbids a command or key: see the guide", false, "fails"),
  entry("NOAUTH", "it wants a password", true, "reconnects"),
  entry("WRONGPASS", "it refuses our name or password", true, "reconnects"),
  entry(
    "CROSSSLOT",
    "the keys are in different slots: does the client rewrite them?",
    true,
    "fails",
  ),
  entry("WRONGTYPE", "a key of ours holds something foreign", false, "fails"),
  entry("ERR", "it refuses the command", false, "fails"),
];

const BY_WORD = new Map(ANSWERS.map((answer) => [answer.word, answer]));

/** What the server said; undefined if it said nothing: the connection was lost, or we gave up. */
export function answerOf(error: unknown): Answer | undefined {
  const text = error instanceof Error ? error.message : "";
  // An ACL that stops a script in its middle is an ERR, not a NOPERM.
  if (/^ERR The user executing the script/.test(text)) return BY_WORD.get("NOPERM");
  // Clients pass the server's text on; what they say themselves does not begin in capitals.
  const [, word] = /^([A-Z]{2,})\b/.exec(text) ?? [];
  if (word === undefined) return undefined;
  return BY_WORD.get(word) ?? { word, means: "it refuses", isUndone: false, so: "fails" };
}

/** What is the matter, in a few words for people. */
export function explained(error: unknown): string {
  const answer = answerOf(error);
  if (answer !== undefined) return `${answer.word}, ${answer.means}`;
  return error instanceof Error ? error.message : String(error);
}

/** The one error that the store throws, with a word on why. */
export function refusal(cause: unknown): SessionError {
  if (isSessionError(cause)) return cause;
  const message = `Redis could not answer: ${explained(cause)}`;
  return new SessionError("store-unavailable", message, { cause });
}

function entry(word: string, means: string, isUndone: boolean, so: Answer["so"]): Answer {
  return { word, means, isUndone, so };
}
