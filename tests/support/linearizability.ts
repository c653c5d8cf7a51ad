/**
 * Is there an order in which the calls of a history could have happened, one after the other, each at
 * some moment between its call and its return, so that every answer is right? The search of Wing and
 * Gong with the memory of Lowe: what is left to do and the state reached are looked at once.
 */

export interface Call<Input> {
  readonly input: Input;
  readonly calledAt: number;
  /** Infinity: it timed out. Then it happened at any time after its call, or never. */
  readonly returnedAt: number;
  /** Undefined: it timed out, nobody knows. */
  readonly answer: string | undefined;
}

/** What a right object does, one call after the other. */
export interface Specification<Input, State> {
  readonly initial: State;
  /** The very same state: the call changes nothing. More than one answer: any of them is right. */
  step(state: State, input: Input): { readonly state: State; readonly answers: readonly string[] };
}

/** @param history of one object; the time grows fast with the calls that overlap, so keep it short */
export function isLinearizable<Input, State>(
  history: readonly Call<Input>[],
  { initial, step }: Specification<Input, State>,
): boolean {
  const numbers = new Map(history.map((call, i) => [call, i]));
  const seen = new Set<string>();
  const canEnd = (left: readonly Call<Input>[], state: State): boolean => {
    if (left.every(({ answer }) => answer === undefined)) return true;
    const place = `${left.map((call) => numbers.get(call)).join()} ${JSON.stringify(state)}`;
    if (seen.has(place)) return false;
    seen.add(place);
    // Nothing can come first that was called after another one had returned.
    const firstReturn = Math.min(...left.map(({ returnedAt }) => returnedAt));
    const next = left
      .filter(({ calledAt }) => calledAt <= firstReturn)
      .map((call) => ({ call, ...step(state, call.input) }))
      .filter(({ call, answers }) => call.answer === undefined || answers.includes(call.answer));
    const without = (call: Call<Input>) => left.filter((other) => other !== call);
    // What is right now and changes nothing may as well come now: no other order can need it later.
    const idle = next.find(
      ({ call, state: after }) => call.answer !== undefined && after === state,
    );
    if (idle !== undefined) return canEnd(without(idle.call), state);
    return next.some(({ call, state: after }) => after !== state && canEnd(without(call), after));
  };
  return canEnd(history, initial);
}
