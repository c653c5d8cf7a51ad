/** Where it ran, without a name of a machine or a person. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";

const HERE = join(import.meta.dirname, "..");

export function platform() {
  const redis = execFileSync("redis-server", ["--version"], { encoding: "utf8" });
  return {
    node: process.versions.node,
    redis: /v=([\d.]+)/.exec(redis)?.[1] ?? "unknown",
    cpu: cpus()[0]?.model ?? "unknown",
    cpus: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${process.arch}`,
    date: new Date().toISOString().slice(0, 10),
  };
}

export function versions() {
  const read = (path) => JSON.parse(readFileSync(join(HERE, path), "utf8"));
  const { dependencies } = read("package.json");
  const ours = ["latchkey", read("../packages/latchkey/package.json").version];
  return Object.fromEntries([
    ours,
    ...Object.keys(dependencies).map((name) => [
      name,
      read(`node_modules/${name}/package.json`).version,
    ]),
  ]);
}
