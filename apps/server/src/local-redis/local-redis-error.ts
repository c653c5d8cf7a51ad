/** What went wrong while bringing up a local Redis. The message is one line, fit for a person. */

export type LocalRedisProblem =
  | "unsupported-platform"
  | "no-redis"
  | "start-failed"
  | "port-taken"
  | "folder-in-use";

export class LocalRedisError extends Error {
  override readonly name = "LocalRedisError";
  readonly code: LocalRedisProblem;

  constructor(code: LocalRedisProblem, message: string, options?: ErrorOptions) {
    super(oneLine(message), options);
    this.code = code;
  }
}

const LINE_MAX_CHARS = 400;

/**
 * Text that another program wrote, made safe to show: one line, no control characters (a stranger
 * on the port must not send escape sequences to the terminal), bounded.
 */
export function oneLine(text: string): string {
  const flat = text.replace(/\p{C}+/gu, " ").trim();
  return flat.length > LINE_MAX_CHARS ? `${flat.slice(0, LINE_MAX_CHARS)}…` : flat;
}

/** What to show of a caught value. */
export function reasonOf(error: unknown): string {
  return oneLine(error instanceof Error ? error.message : String(error));
}
