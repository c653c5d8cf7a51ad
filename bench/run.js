/**
 * How fast: all parts in one run, one table, `results.json` and plots.
 *
 *     npm run bench                      everything, a quarter of an hour
 *     npm run bench -- --quick           to try it, two minutes; writes nothing
 *     npm run bench -- --only http,check some parts; keeps what results.json has of the others
 *     npm run bench -- --match 'express' only such contestants of the part http; writes nothing
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { platform, versions } from "./lib/platform.js";
import { PARTS } from "./parts.js";
import { drawPlots } from "./report/plots.js";
import { readResults } from "./report/results.js";
import { printTables } from "./report/tables.js";
import { judge, printTargets } from "./report/targets.js";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    match: { type: "string" },
    connections: { type: "string", default: "32" },
  },
});
const file = join(import.meta.dirname, "results.json");
const isPartial = values.quick || values.match !== undefined;
const options = {
  isQuick: values.quick,
  isLong: process.env.BENCH_FULL === "1",
  match: values.match === undefined ? undefined : new RegExp(values.match),
  connections: Number(values.connections),
  say: (text) => console.error(text),
};

const wanted = values.only?.split(",") ?? Object.keys(PARTS);
const unknown = wanted.filter((name) => !(name in PARTS));
if (unknown.length > 0)
  throw new Error(`no such part: ${unknown}; there are ${Object.keys(PARTS)}`);

const measured = {};
for (const name of wanted) {
  const began = performance.now();
  measured[name] = await PARTS[name](options);
  measured[name].seconds = Math.round((performance.now() - began) / 1000);
}
const parts = isPartial ? measured : { ...readResults(file)?.parts, ...measured };
const results = { platform: platform(), versions: versions(), parts };
results.targets = judge(parts);
printTables(parts);
printTargets(results.targets);
if (!isPartial) {
  writeFileSync(file, `${JSON.stringify(results, undefined, 1)}\n`);
  drawPlots(results, join(import.meta.dirname, "plots"));
}
