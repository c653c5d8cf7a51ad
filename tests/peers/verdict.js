/** What a cell of the table says. A word or two at most beside it. */
export const ok = (word) => ({ verdict: "ok", word });
export const fails = (word) => ({ verdict: "fails", word });
export const notApplicable = (word) => ({ verdict: "n/a", word });

export function text({ verdict, word }) {
  return word === undefined ? verdict : `${verdict} (${word})`;
}
