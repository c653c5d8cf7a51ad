/** How much a line of the log matters, as LOG_LEVEL has it. */

export type Level = "trace" | "debug" | "info" | "warn" | "error" | "fatal";

/** From the most talkative to the most silent. */
export const LEVELS: readonly Level[] = ["trace", "debug", "info", "warn", "error", "fatal"];
