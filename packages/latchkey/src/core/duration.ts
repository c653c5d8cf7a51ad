/** Lengths of time as people write them: `"30m"`, `"12h"`. Inside they are milliseconds, `…Ms`. */
import { invalidOption } from "./options.ts";

export type Duration = `${number}${"ms" | "s" | "m" | "h" | "d"}`;

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/**
 * Milliseconds, a positive whole number. Anything else throws `invalid-option` with the field.
 *
 * @param orFalse the caller takes false as well, for none at all
 */
export function parseDuration(text: string, field: string, orFalse?: "or false"): number {
  const [, amount, unit = ""] = /^(\d{1,15})(ms|s|m|h|d)$/.exec(String(text)) ?? [];
  const ms = Number(amount) * (UNIT_MS[unit] ?? Number.NaN);
  if (Number.isSafeInteger(ms) && ms > 0) return ms;
  throw invalidOption(
    field,
    `must be ${orFalse ? "false, or " : ""}a whole number above 0 with a unit, such as "250ms", "30m" or "12h"`,
  );
}
