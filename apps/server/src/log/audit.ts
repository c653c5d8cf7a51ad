/**
 * The audit: takes what happened and hands it to the sinks. Nobody waits for a sink, and a sink that
 * fails undoes nothing: a session is revoked whether or not somebody could write it down. What a
 * sink has missed is counted and goes into the log.
 */
import { type Clock, type Layout, type SessionListener, systemClock } from "latchkey";
import { type AuditEvent, auditEventOf, type Occurrence } from "./audit-event.ts";
import { summaryOf } from "./error-summary.ts";
import type { Log } from "./logger.ts";
import type { Pseudonymize } from "./pseudonym.ts";
import { currentRequest } from "./request-context.ts";
import { occurrencesOf } from "./session-audit.ts";

/** Where events go besides the log. */
export interface AuditSink {
  /** In the log and in `stats`. */
  readonly name: string;
  /**
   * Called once per event, in order, within the request: what takes time must be put off. A promise
   * means "not yet": the event counts as written when it resolves, as lost when it rejects. May be
   * called again before that. What it throws is an event lost, and no more.
   */
  write(event: AuditEvent): unknown;
}

export interface SinkStats {
  readonly name: string;
  /** Events that it missed: it failed, or had too many unfinished ones. */
  readonly lost: number;
}

export interface Audit {
  /** Never throws, never waits. */
  record(occurrence: Occurrence): void;
  /** For `createSessions({ onEvent })`. */
  readonly onEvent: SessionListener;
  stats(): readonly SinkStats[];
}

export interface AuditOptions {
  /** Gets every event, whatever its level, and hears when a sink fails and when it works again. */
  readonly log: Pick<Log, "write" | "audit">;
  /** Of the sessions: in the literal one a session id is a credential, and is not written down. */
  readonly layout: Layout;
  readonly pseudonymize: Pseudonymize;
  /** Default: none but the log. */
  readonly sinks?: readonly AuditSink[];
  readonly clock?: Clock;
}

/** Events that one sink may have unfinished; further ones it misses. Some 500 kB. */
export const UNFINISHED_MAX = 1_000;

export function createAudit(options: AuditOptions): Audit {
  const { log, layout, pseudonymize, sinks = [], clock = systemClock } = options;
  const outlets = sinks.map((sink) => new Outlet(sink, log));
  const record = (occurrence: Occurrence): void => {
    const event = auditEventOf(occurrence, {
      now: clock.now(),
      request: currentRequest(),
      isSidSecret: layout === "literal",
      pseudonymize,
    });
    log.audit(event);
    for (const outlet of outlets) outlet.take(event);
  };
  return {
    record,
    onEvent: (happened) => {
      for (const occurrence of occurrencesOf(happened)) record(occurrence);
    },
    stats: () => outlets.map(({ name, lost }) => ({ name, lost })),
  };
}

/** One sink, with what it owes. */
class Outlet {
  readonly #sink: AuditSink;
  readonly #log: Pick<Log, "write">;
  #unfinished = 0;
  #lost = 0;
  /** Since it last had nothing left to do; 0: it works. */
  #missed = 0;

  constructor(sink: AuditSink, log: Pick<Log, "write">) {
    this.#sink = sink;
    this.#log = log;
  }

  get name(): string {
    return this.#sink.name;
  }

  get lost(): number {
    return this.#lost;
  }

  take(event: AuditEvent): void {
    if (this.#unfinished >= UNFINISHED_MAX) {
      this.#miss(undefined);
      return;
    }
    try {
      const written = this.#sink.write(event);
      if (isPromise(written)) void this.#settle(written);
      else this.#recover();
    } catch (error) {
      this.#miss(error);
    }
  }

  async #settle(written: PromiseLike<unknown>): Promise<void> {
    this.#unfinished += 1;
    try {
      await written;
      // While others are unfinished, the next event may be missed again.
      if (this.#unfinished === 1) this.#recover();
    } catch (error) {
      this.#miss(error);
    } finally {
      this.#unfinished -= 1;
    }
  }

  #miss(error: unknown): void {
    this.#lost += 1;
    this.#missed += 1;
    // Once: a sink that is away would fill the log with every event that it misses.
    if (this.#missed > 1) return;
    const summary = error === undefined ? undefined : summaryOf(error);
    this.#log.write({ event: "audit_sink_failing", sink: this.name, error: summary });
  }

  #recover(): void {
    if (this.#missed === 0) return;
    const count = this.#missed;
    this.#missed = 0;
    this.#log.write({ event: "audit_sink_recovered", sink: this.name, count });
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value;
}
