/**
 * An error as the log may have it. A message can hold anything: Redis repeats the arguments of a
 * command, JSON.parse a piece of the body, Node the value that it did not like. So what is kept is
 * what cannot be input: names, codes, places in the code, and the messages of our own errors.
 */
import { isSessionError } from "latchkey";

export interface ErrorSummary {
  /** Down the chain of causes: "SessionError store-unavailable: … <- ErrorReply WRONGTYPE". */
  readonly chain: string;
  /** Where the outermost was made; empty if nobody knows. */
  readonly at: readonly string[];
}

/** A chain may bite its own tail. */
const CAUSES_MAX = 8;
const FRAMES_MAX = 10;
const NAME = /^[A-Za-z]\w{0,63}$/;
/** `ECONNREFUSED`, `store-unavailable`, `not_revoked`. */
const CODE = /^[A-Za-z][\w-]{0,63}$/;
/** What every error of Redis begins with. */
const REDIS_WORD = /^[A-Z]{3,16}(?= |$)/;
const FRAME = /^ {4}at [^\n]{1,300}$/;

export function summaryOf(error: unknown): ErrorSummary {
  const links: string[] = [];
  let at = error;
  while (at instanceof Error && links.length < CAUSES_MAX) {
    links.push(linkOf(at));
    at = at.cause;
  }
  if (links.length === 0) return { chain: `thrown: ${typeof error}`, at: [] };
  return { chain: links.join(" <- "), at: error instanceof Error ? framesOf(error) : [] };
}

function linkOf(error: Error): string {
  const name = NAME.test(error.name) ? error.name : "Error";
  const code = "code" in error ? error.code : undefined;
  const known = typeof code === "string" && CODE.test(code) ? code : undefined;
  const word = known ?? REDIS_WORD.exec(error.message)?.[0];
  const label = word === undefined ? name : `${name} ${word}`;
  // Of those it is a rule that no message carries a token, a secret or a whole session id.
  return isSessionError(error) ? `${label}: ${error.message}` : label;
}

/** The frames come after the message, which may have lines that look like frames. */
function framesOf({ stack = "", message }: Error): string[] {
  const start = stack.indexOf(message);
  if (start === -1) return [];
  const lines = stack.slice(start + message.length).split("\n", FRAMES_MAX + 1);
  return lines.filter((line) => FRAME.test(line)).map((line) => line.trim());
}
