/** Which processes there are, as the system tells it, not as a program of ours believes. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";

const LINUX = process.platform === "linux";

/** Processes that work in a folder: a Redis and its watcher do. */
export function processesIn(folder: string): number[] {
  if (!existsSync(folder)) return [];
  const real = realpathSync(folder);
  if (!LINUX) {
    const { stdout } = spawnSync("lsof", ["-t", real], { encoding: "utf8" });
    return stdout.split("\n").filter(Boolean).map(Number);
  }
  return pidsInProc()
    .filter((pid) => workingFolder(pid) === real)
    .map(Number);
}

function workingFolder(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined; // It has just ended.
  }
}

/** Does any process of the group live? A Redis leads one, its watcher is in it. */
export function groupExists(leader: number): boolean {
  if (LINUX) return pidsInProc().some((pid) => isLivingMember(pid, leader));
  try {
    return process.kill(-leader, 0);
  } catch {
    return false; // No such group.
  }
}

/** Zombies do not live: who inherits them may take seconds to reap them. */
function isLivingMember(pid: string, leader: number): boolean {
  try {
    // "pid (name) state parent group …", and the name may hold anything.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state, , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(group) === leader && state !== "Z";
  } catch {
    return false; // It has just ended.
  }
}

function pidsInProc(): string[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
}
