/**
 * One request, from the opened session to the end of its response: what adapters are made of.
 *
 * The contract, the same in every framework. When the head of the response is due, what a handler
 * changed in `session.data` is saved first, unless the status is 500 or above: a handler that failed
 * may have stopped half-way. If it cannot be saved, a problem document goes out in place of the
 * response: 503 if the store could not do it, 401 if the session has ended meanwhile. What is changed
 * after the head has left needs a `commit()` of its own.
 */
import type { Head } from "./head.ts";
import { invalidOption, refuseUnknown } from "./options.ts";
import { type Refusal, refusalOfError, refusalOfGone } from "./refusal.ts";
import type { Session } from "./session.ts";
import type { Warn } from "./warning.ts";

export interface OpenOptions {
  /** The session is looked at only: nothing of it is written, its use prolongs nothing. */
  readonly readOnly?: boolean;
  /**
   * A near cache is passed by: the store itself is asked. For what must not be done on the word of
   * some milliseconds ago.
   */
  readonly fresh?: boolean;
}

/** What every adapter checks before the first request. Throws `invalid-option` with the name. */
export function checkOpen(
  sessions: { visit(...args: never[]): unknown },
  options: OpenOptions,
): void {
  if (typeof sessions?.visit !== "function") {
    throw invalidOption("sessions", "must be what createSessions returns");
  }
  refuseUnknown(options, ["readOnly", "fresh"], "the adapter");
}

/** From here on a handler failed, whatever it answers. */
const SERVER_ERROR = 500;

export class Visit<Data = Record<string, unknown>> {
  readonly session: Session<Data>;
  readonly #head: Head;
  readonly #warn: Warn;

  constructor(session: Session<Data>, head: Head, warn: Warn) {
    this.session = session;
    this.#head = head;
    this.#warn = warn;
  }

  /** Whether a response with this status may begin without anything to wait for. */
  isSettled(status: number): boolean {
    return status >= SERVER_ERROR || this.session.isSettled;
  }

  /**
   * Saves what the handler changed. To be called when all that comes before the body is decided.
   * Resolves to what must be answered in place of the response, if anything. Rejects with
   * "invalid-data" and the like: errors of the handler's own.
   */
  async settle(status: number): Promise<Refusal | undefined> {
    if (this.isSettled(status)) return undefined;
    try {
      await this.session.idle();
      return (await this.session.commit()) === "gone" ? refusalOfGone() : undefined;
    } catch (error) {
      return this.refusalOf(error);
    }
  }

  /** What answers an error of the session, such as "csrf". Throws any other error again. */
  refusalOf(error: unknown): Refusal {
    const refusal = refusalOfError(error);
    if (refusal === undefined) throw error;
    return refusal;
  }

  /** Puts the cookie line, `no-store` and `Vary` into the head, which is about to leave. */
  seal(): void {
    this.#head.seal();
  }

  /** For who opens a session without an adapter. */
  put(): void {
    this.#head.put();
  }

  /** The head has left already: somebody else has answered. */
  close(): void {
    this.#head.close();
  }

  /** The response is over. */
  finish(status: number): void {
    if (this.isSettled(status)) return;
    this.#warn({
      code: "late-change",
      message:
        "session.data was changed after the response had begun, and the change is lost: " +
        "await session.commit() there",
    });
  }

  /** What the handler left behind could not be saved, and there is nobody else to tell. */
  failed(error: unknown): void {
    this.#warn({ code: "not-saved", message: `session.data was not saved: ${String(error)}` });
  }
}
