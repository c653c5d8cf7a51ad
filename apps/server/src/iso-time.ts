/** Instants in answers. Undefined stays out of the JSON: what the layout does not know is not guessed. */
export function isoTime(at: number | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString();
}
