/** LOG-6: sinks of the audit that fail, or take their time, cost events and nothing else. */
import { createSessions } from "latchkey";
import { memoryStore } from "latchkey/memory";
import { describe, expect, test } from "vitest";
import { type Audit, type AuditSink, UNFINISHED_MAX } from "../apps/server/src/log/audit.ts";
import type { Occurrence } from "../apps/server/src/log/audit-event.ts";
import { keptAudit } from "./support/kept-audit.ts";
import { until } from "./support/until.ts";

describe("LOG-6: a sink that fails", () => {
  const started: Occurrence = { event: "sys_startup", what: "demo" };
  const failing = (lines: Record<string, unknown>[]) =>
    lines.filter(({ event }) => String(event).startsWith("audit_sink"));

  test.each<[string, (isBroken: () => boolean) => AuditSink["write"]]>([
    ["throws", (isBroken) => () => throwIf(isBroken())],
    ["rejects", (isBroken) => async () => throwIf(isBroken())],
  ])("and %s: others get the event, it is counted, and told once each way", async (_name, sink) => {
    let isBroken = true;
    const write = sink(() => isBroken);
    const { audit, events, lines } = keptAudit("split", [{ name: "broken", write }]);
    for (let i = 0; i < 5; i += 1) audit.record(started);
    expect(events).toHaveLength(5);
    await until(() => lostBy(audit) === 5);
    isBroken = false;
    audit.record(started);
    await until(() => failing(lines()).length === 2);
    expect(failing(lines())).toMatchObject([
      { event: "audit_sink_failing", sink: "broken", error: "Error ECANARY" },
      { event: "audit_sink_recovered", sink: "broken", count: 5 },
    ]);
    expect(lostBy(audit)).toBe(5);
  });

  test("and never settles: nobody waits, what it may owe is bounded", async () => {
    const release: (() => void)[] = [];
    const write = () => new Promise<void>((resolve) => release.push(resolve));
    const { audit, events, lines } = keptAudit("split", [{ name: "hung", write }]);
    for (let i = 0; i < UNFINISHED_MAX + 7; i += 1) audit.record(started);
    expect(events).toHaveLength(UNFINISHED_MAX + 7);
    expect(release).toHaveLength(UNFINISHED_MAX);
    expect(lostBy(audit)).toBe(7);
    expect(failing(lines())).toMatchObject([{ event: "audit_sink_failing", sink: "hung" }]);
    for (const resolve of release) resolve();
    await until(() => failing(lines()).length === 2);
    expect(failing(lines())[1]).toMatchObject({ event: "audit_sink_recovered", count: 7 });
  });

  test("undoes no revocation, and ends no request", async () => {
    const sink = { name: "broken", write: () => throwIf(true) };
    const { audit } = keptAudit("split", [sink]);
    const store = memoryStore();
    const sessions = createSessions({ store, onEvent: audit.onEvent });
    const { session } = await sessions.visit({
      method: "POST",
      scheme: "https",
      headers: () => [],
      responseHeader: () => [],
      setResponseHeader: () => {},
    });
    await session.login("ada");
    expect(await sessions.revokeUser("ada")).toBe(1);
    expect(await sessions.list("ada")).toEqual([]);
    expect(lostBy(audit)).toBe(2);
    await store.close();
  });
});

function lostBy(audit: Audit): number {
  return audit.stats().reduce((sum, { lost }) => sum + lost, 0);
}

function throwIf(isBroken: boolean): void {
  if (isBroken) throw Object.assign(new Error("secret words"), { code: "ECANARY" });
}
