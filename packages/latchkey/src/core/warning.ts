/** What goes wrong in silence otherwise: told once, because it is the same for every request. */

export interface SessionWarning {
  readonly code: /** A Secure cookie was set over plain http, where browsers drop it. */
    | "secure-cookie-on-http"
    /** `session.data` was changed after the response had begun, and nobody called `commit`. */
    | "late-change"
    /** What a handler left in `session.data` could not be saved, for a reason of its own. */
    | "not-saved";
  readonly message: string;
}

export type Warn = (warning: SessionWarning) => void;

/** As Node prints its own warnings; nothing where there is no Node. */
export const systemWarn: Warn = ({ code, message }) => {
  const name = `LATCHKEY_${code.toUpperCase().replaceAll("-", "_")}`;
  globalThis.process?.emitWarning?.(message, { type: "LatchkeyWarning", code: name });
};

/** Passes on each code once. What the listener throws is ignored: a warning must not end a request. */
export function once(warn: Warn): Warn {
  const told = new Set<string>();
  return (warning) => {
    if (told.has(warning.code)) return;
    told.add(warning.code);
    try {
      warn(warning);
    } catch {
      // See above.
    }
  };
}
