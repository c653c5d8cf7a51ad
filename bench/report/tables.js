/** The figures as tables of Markdown, so that they can be copied into a page. */

const TABLES = {
  check: {
    title: "The check alone, CPU ns per operation",
    head: ["sessions", "contestant", "CPU ns", "min–max", "wall ns", "goes into fast-jwt"],
    row: (it) => [
      ...[it.sessions, it.name, it.cpuNanos.median, range(it.cpuNanos)],
      ...[it.nanos.median, `${it.intoFastJwt.median}×`],
    ],
  },
  http: {
    title: "A protected route",
    head: [
      ...["framework", "contestant", "CPU µs/request", "min–max", "× no session", "requests/s"],
      ...["p50 ms", "p99 ms", "Redis commands", "Redis µs"],
    ],
    row: (it) => [
      ...[it.framework, it.name, it.cpuMicros.median, range(it.cpuMicros)],
      ...[it.overCeiling.median, it.perSecond.median, it.p50.median, it.p99.median],
      ...[it.commands.median, it.redisMicros.median],
    ],
  },
  verbs: {
    title: "Verbs",
    head: ["contestant", "verb", "a second", "CPU µs", "Redis commands", "Redis µs"],
    row: (it) => [
      ...[it.name, it.verb, it.perSecond.median, it.cpuMicros.median],
      ...[it.commands.median, it.redisMicros.median],
    ],
  },
  memory: {
    title: "Bytes of a session",
    head: ["what", "where", "sessions", "bytes each"],
    row: (it) => [it.name, it.where, it.sessions, it.bytes],
  },
  growth: {
    title: "More sessions, node:http",
    head: [
      ...["contestant", "sessions", "hot", "check: commands", "Redis µs", "CPU µs"],
      ...["login: commands", "Redis µs", "CPU µs"],
    ],
    row: ({ name, sessions, hot, check, login }) => [
      ...[name, sessions, hot],
      ...[check, login].flatMap((it) => [
        ...[it.commands.median, it.redisMicros.median, it.cpuMicros.median],
      ]),
    ],
  },
  revocation: {
    title: "From the acknowledgement of a revoke to another process's refusal, ms",
    head: ["that process", "revokes", "p50", "p99", "max"],
    row: (it) => [it.load, it.revokes, it.p50, it.p99, it.max],
  },
};

export function printTables(parts) {
  for (const [name, { results }] of Object.entries(parts)) {
    const table = TABLES[name];
    if (table !== undefined) console.log(`\n## ${table.title}\n\n${tableOf(table, results)}`);
  }
}

function tableOf({ head, row }, results) {
  const rows = [head, ...results.map((it) => row(it).map(text))];
  const widths = head.map((_, i) => Math.max(...rows.map((cells) => cells[i].length)));
  const lines = rows.map(
    (cells) => `| ${cells.map((it, i) => it.padEnd(widths[i])).join(" | ")} |`,
  );
  lines.splice(1, 0, `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`);
  return lines.join("\n");
}

function text(value) {
  return value === null || value === undefined || Number.isNaN(value) ? "–" : String(value);
}

function range({ min, max }) {
  return `${min}–${max}`;
}
