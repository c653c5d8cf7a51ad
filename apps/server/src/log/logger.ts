/**
 * The log: one JSON object per line. In production it goes to stdout, and nothing else does. A demo
 * server keeps its few lines for people on stdout, so there the log is on stderr.
 */
import { type Clock, systemClock } from "latchkey";
import type { AuditEvent } from "./audit-event.ts";
import { type LogEntry, levelOf } from "./entry.ts";
import { LEVELS, type Level } from "./level.ts";
import { escaped, fieldsOf } from "./line.ts";
import { FileOutput, type LineOutput } from "./line-output.ts";

export interface Log {
  /** Writes one line if its level is enabled. Never waits, never throws. */
  write(entry: LogEntry): void;
  /** The same whatever the level: who turns the talk down does not mean to lose the audit. */
  audit(event: AuditEvent): void;
}

export interface LogOptions {
  /** Entries below it are not written. Default: "info". */
  readonly level?: Level;
  readonly clock?: Clock;
}

export interface OpenLog extends Log {
  /** Lines so far that could not be written in time. */
  readonly lost: number;
}

/** @param fd 1 for stdout, 2 for stderr */
export function openLog(fd: number, options: LogOptions = {}): OpenLog {
  const output = new FileOutput(fd, (count) => log.write({ event: "log_lines_lost", count }));
  const log = createLog(output, options);
  return {
    ...log,
    get lost() {
      return output.lost;
    },
  };
}

export function createLog(
  output: Pick<LineOutput, "write">,
  { level: lowest = "info", clock = systemClock }: LogOptions = {},
): Log {
  const enabled = LEVELS.slice(LEVELS.indexOf(lowest));
  const write = (level: Level, entry: LogEntry | AuditEvent): void => {
    const time = new Date(clock.now()).toISOString();
    output.write(escaped(`${JSON.stringify({ time, level, ...fieldsOf(entry) })}\n`));
  };
  return {
    write: (entry) => {
      const level = levelOf(entry);
      if (enabled.includes(level)) write(level, entry);
    },
    audit: (event) => write(event.level, event),
  };
}
