/** Rules that an operator can read: what holds, which setting it is about, what follows. */

/** What there is to say of one setting. Never with a value in it: it may be a secret. */
export interface Notice {
  /** Stable, for programs. */
  readonly code: string;
  /** As the operator writes it: a variable, or a flag. */
  readonly setting: string;
  /** Follows the name of the setting in one line. */
  readonly message: string;
}

export interface Rule<Facts> extends Notice {
  readonly applies: (facts: Facts) => boolean;
}

/** What the rules that apply have to say, in their order. */
export function noticesOf<Facts>(rules: readonly Rule<Facts>[], facts: Facts): Notice[] {
  return rules
    .filter(({ applies }) => applies(facts))
    .map(({ code, setting, message }) => ({ code, setting, message }));
}

/** Each problem is one line that begins with the name of the setting. No value is echoed. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }

  static of(notices: readonly Notice[]): ConfigError {
    return new ConfigError(notices.map(lineOf));
  }
}

export function lineOf({ setting, message }: Notice): string {
  return `${setting} ${message}`;
}
