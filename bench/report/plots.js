/** Bar charts as SVG, drawn by hand; readable on light and on dark. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [WIDTH, BAR, GAP, LEFT, RIGHT, TOP] = [760, 16, 6, 210, 110, 46];
const STYLE = `
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-size: 14px; font-weight: 600 }
.note { fill: #57606a }
.ours { fill: #1a7f37 }
.none { fill: #8c959f }
.bar { fill: #54709c }
.spread { stroke: #24292f; stroke-width: 1 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .note { fill: #9198a1 }
  .ours { fill: #3fb950 }
  .bar { fill: #6e8fc4 }
  .spread { stroke: #e6edf3 }
}`;

export function drawPlots({ parts }, folder) {
  mkdirSync(folder, { recursive: true });
  const draw = (name, chart) => writeFileSync(join(folder, `${name}.svg`), svgOf(chart));
  for (const framework of ["node:http", "fastify", "express"]) {
    const results = (parts.http?.results ?? []).filter((it) => it.framework === framework);
    if (results.length === 0) continue;
    draw(framework.replace(":", "-"), {
      title: `A protected route on ${framework}: CPU µs of the server per request`,
      bars: results.map(({ name, cpuMicros }) => ({ name, ...cpuMicros })),
    });
  }
  const memory = parts.memory?.results ?? [];
  if (memory.length > 0) {
    draw("memory", {
      title: "Bytes of a session, in Redis and in the heap",
      bars: memory.map(({ name, bytes }) => ({ name, median: bytes, min: bytes, max: bytes })),
    });
  }
  const checks = parts.check?.results ?? [];
  for (const sessions of new Set(checks.map((it) => it.sessions))) {
    const bars = checks.filter((it) => it.sessions === sessions);
    draw(`check-${sessions}`, {
      title: `The check alone, ${sessions.toLocaleString("en")} sessions: CPU ns, logarithmic`,
      bars: bars.map(({ name, cpuNanos }) => ({ name, ...cpuNanos })),
      isLogarithmic: true,
    });
  }
}

function svgOf({ title, bars, isLogarithmic = false }) {
  const sorted = bars.toSorted((a, b) => a.median - b.median);
  const most = Math.max(...sorted.map(({ median }) => median)) * (isLogarithmic ? 1 : 1.1);
  const least = isLogarithmic ? sorted[0].median / 2 : 0;
  const scale = isLogarithmic ? (value) => Math.log(value / least) : (value) => value;
  const room = WIDTH - LEFT - RIGHT;
  const x = (value) =>
    LEFT + (Math.min(1, scale(Math.max(value, least)) / scale(most)) || 0) * room;
  const rows = sorted.map((bar, i) => rowOf(bar, TOP + i * (BAR + GAP), x));
  const height = TOP + sorted.length * (BAR + GAP) + 8;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">
<title>${escaped(title)}</title>
<style>${STYLE}
</style>
<text class="title" x="8" y="20">${escaped(title)}</text>
<text class="note" x="8" y="37">less is better; median, and a line from least to most</text>
${rows.join("\n")}
</svg>
`;
}

function rowOf({ name, median, min, max }, y, x) {
  const [from, to, middle] = [x(min).toFixed(1), x(max).toFixed(1), y + BAR / 2];
  const kind = classOf(name);
  const end = Math.max(x(median), x(max)) + 6;
  return [
    `<text x="${LEFT - 8}" y="${y + 12}" text-anchor="end">${escaped(name)}</text>`,
    `<rect class="${kind}" x="${LEFT}" y="${y}" width="${(x(median) - LEFT).toFixed(1)}" height="${BAR}" rx="2"/>`,
    `<line class="spread" x1="${from}" x2="${to}" y1="${middle}" y2="${middle}"/>`,
    `<text x="${end.toFixed(1)}" y="${y + 12}">${median}</text>`,
  ].join("");
}

function classOf(name) {
  if (/latchkey|sessions\.|recall/.test(name)) return "ours";
  return /none|no check/.test(name) ? "none" : "bar";
}

function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
