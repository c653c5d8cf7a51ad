/** How a bad option is refused, the same everywhere: by name, before anything has happened. */
import { SessionError } from "./errors.ts";

/** The error that says which option is bad and what would be good. */
export function invalidOption(field: string, rule: string): SessionError {
  return new SessionError("invalid-option", `${field} ${rule}`, { field });
}

/**
 * Throws for a name that is none of `known`: misspelt, it would switch something off in silence.
 * @param at where these options stand in others, such as "cookie."
 * @param instead what to do in place of names that other libraries have
 */
export function refuseUnknown(
  options: unknown,
  known: readonly string[],
  of: string,
  at = "",
  instead: ReadonlyMap<string, string> = new Map(),
): void {
  const stranger = Object.keys(Object(options)).find((name) => !known.includes(name));
  if (stranger === undefined) return;
  const hint = instead.has(stranger) ? `: ${instead.get(stranger)}` : "";
  throw invalidOption(at + stranger, `is no option of ${of}${hint}`);
}
