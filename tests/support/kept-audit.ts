/** An audit whose events, and the lines that it makes in the log, are kept to be looked at. */
import { ManualClock } from "latchkey/testing";
import { type Audit, type AuditSink, createAudit } from "../../apps/server/src/log/audit.ts";
import type { AuditEvent } from "../../apps/server/src/log/audit-event.ts";
import { createLog } from "../../apps/server/src/log/logger.ts";
import { pseudonymizer } from "../../apps/server/src/log/pseudonym.ts";

export const PSEUDONYM_KEY: Uint8Array = new Uint8Array(32).fill(7);
const NOW = Date.UTC(2026, 0, 2, 3, 4, 5, 6);

export interface KeptAudit {
  readonly audit: Audit;
  /** What a sink got. */
  readonly events: AuditEvent[];
  /** What the log got, parsed. */
  lines(): Record<string, unknown>[];
}

export function keptAudit(
  layout: "split" | "literal" = "split",
  more: readonly AuditSink[] = [],
): KeptAudit {
  const events: AuditEvent[] = [];
  let text = "";
  // The audit is written at any level.
  const clock = new ManualClock(NOW);
  const log = createLog({ write: (line) => (text += line) }, { level: "fatal", clock });
  const loud = createLog({ write: (line) => (text += line) }, { level: "trace", clock });
  const audit = createAudit({
    log: { write: loud.write, audit: log.audit },
    layout,
    pseudonymize: pseudonymizer(PSEUDONYM_KEY),
    sinks: [{ name: "kept", write: (event) => void events.push(event) }, ...more],
    clock,
  });
  const lines = () =>
    text
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  return { audit, events, lines };
}
