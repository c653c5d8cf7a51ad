/**
 * All that the server may say in its log. A closed list, in which each event names its fields: what
 * is not in it is not logged, and nothing is taken out of a request or a response as a whole. What
 * happens to accounts and sessions is in `audit-event.ts`.
 */
import type { ErrorSummary } from "./error-summary.ts";
import type { Level } from "./level.ts";
import type { RequestFields } from "./request-fields.ts";

export type LogEntry =
  | {
      readonly event: "server_started";
      readonly profile: string;
      readonly port: number;
      readonly host: string;
    }
  | { readonly event: "server_stopping" }
  | { readonly event: "server_crashed"; readonly error: ErrorSummary }
  | { readonly event: "redis_connected" }
  | { readonly event: "redis_lost"; readonly error: ErrorSummary }
  | ({
      readonly event: "request_served";
      readonly status: number;
      readonly durationMs: number;
    } & RequestFields)
  | ({
      /** Through no fault of its sender. */
      readonly event: "request_failed";
      readonly status: number;
      readonly code: string;
      readonly error: ErrorSummary;
    } & RequestFields)
  /** Of the library: what would go wrong in silence. Once for each code. */
  | { readonly event: "library_warning"; readonly code: string }
  /** They could not be written in time; told as soon as lines get through again. */
  | { readonly event: "log_lines_lost"; readonly count: number }
  | {
      readonly event: "audit_sink_failing";
      readonly sink: string;
      /** Undefined: it does not settle what it was given. */
      readonly error: ErrorSummary | undefined;
    }
  | {
      readonly event: "audit_sink_recovered";
      readonly sink: string;
      /** Events that it missed. */
      readonly count: number;
    };

const LEVEL_OF: Readonly<Record<LogEntry["event"], Level>> = {
  server_started: "info",
  server_stopping: "info",
  server_crashed: "fatal",
  redis_connected: "info",
  redis_lost: "error",
  request_served: "debug",
  request_failed: "error",
  library_warning: "warn",
  log_lines_lost: "error",
  audit_sink_failing: "error",
  audit_sink_recovered: "warn",
};

export function levelOf({ event }: LogEntry): Level {
  return LEVEL_OF[event];
}
