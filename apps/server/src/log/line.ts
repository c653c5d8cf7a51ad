/**
 * Fields on their way into a line of the log: known names only, capped, and as characters that no
 * terminal and no reader of lines acts upon.
 */

/** Longer values are cut, and end in "…". */
export const USER_MAX_CHARS = 64;
export const USER_AGENT_MAX_CHARS = 256;
export const TEXT_MAX_CHARS = 128;
/** Own messages, down a chain of causes. */
const ERROR_MAX_CHARS = 1_024;

/** The fields of any line, in their order, with the most characters of a text. */
const FIELDS: ReadonlyMap<string, number> = new Map([
  ["event", TEXT_MAX_CHARS],
  ["result", TEXT_MAX_CHARS],
  ["who", USER_MAX_CHARS],
  ["whoHash", TEXT_MAX_CHARS],
  ["by", USER_MAX_CHARS],
  ["what", TEXT_MAX_CHARS],
  ["count", 0],
  ["where", TEXT_MAX_CHARS],
  ["requestId", TEXT_MAX_CHARS],
  ["session", TEXT_MAX_CHARS],
  ["profile", TEXT_MAX_CHARS],
  ["host", TEXT_MAX_CHARS],
  ["port", 0],
  ["method", TEXT_MAX_CHARS],
  ["route", TEXT_MAX_CHARS],
  ["status", 0],
  ["code", TEXT_MAX_CHARS],
  ["durationMs", 0],
  ["userAgent", USER_AGENT_MAX_CHARS],
  ["sink", TEXT_MAX_CHARS],
]);

/**
 * What of an entry is written. The types say so already; but a spread of something larger passes
 * them, and what a type does not see must not be printed.
 */
export function fieldsOf(entry: object): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const [name, maxChars] of FIELDS) {
    const value: unknown = Reflect.get(entry, name);
    if (typeof value === "string") fields[name] = shortened(value, maxChars);
    else if (typeof value === "number") fields[name] = value;
  }
  const error: unknown = Reflect.get(entry, "error");
  if (isSummary(error)) {
    fields["error"] = shortened(error.chain, ERROR_MAX_CHARS);
    if (error.at.length > 0) fields["at"] = error.at;
  }
  return fields;
}

/**
 * JSON escapes what is below U+0020. DEL, the C1 controls (some terminals take U+009B for the start
 * of a command), line separators and marks that turn the direction of text are left; written as
 * `\u…` they come back from a parser unchanged.
 */
export function escaped(line: string): string {
  return line.replace(/(?!\n$)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    Array.from({ length: character.length }, (_, i) => unit(character.charCodeAt(i))).join(""),
  );
}

function unit(code: number): string {
  return `\\u${code.toString(16).padStart(4, "0")}`;
}

function shortened(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  // Half a surrogate pair would come back as something else.
  return `${text.slice(0, maxChars - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}

function isSummary(value: unknown): value is { chain: string; at: readonly string[] } {
  return typeof value === "object" && value !== null && "chain" in value && "at" in value;
}
