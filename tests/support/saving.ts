/** Makes Redis fail to save, as a full disk does, so that it refuses writes; and mends it. */
import { mkdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import type { Resp } from "./resp.ts";
import { until } from "./until.ts";

/** From now on Redis answers writes with MISCONF. */
export async function breakSaving(resp: Resp): Promise<void> {
  // A Redis that has nothing to save by itself takes writes all the same.
  await resp.command("CONFIG", "SET", "save", "3600 1000000");
  await resp.command("CONFIG", "SET", "stop-writes-on-bgsave-error", "yes");
  await mkdir(await snapshotOf(resp));
  await save(resp, "err");
}

export async function mendSaving(resp: Resp): Promise<void> {
  await rmdir(await snapshotOf(resp));
  await save(resp, "ok");
}

/** The file that a snapshot becomes, which it cannot if a folder is there. */
async function snapshotOf(resp: Resp): Promise<string> {
  return join(await setting(resp, "dir"), await setting(resp, "dbfilename"));
}

async function setting(resp: Resp, name: string): Promise<string> {
  const reply = await resp.command("CONFIG", "GET", name);
  return String(Array.isArray(reply) && reply[1]);
}

async function save(resp: Resp, status: "ok" | "err"): Promise<void> {
  await resp.command("BGSAVE");
  await until(async () => {
    const persistence = String(await resp.command("INFO", "persistence"));
    return persistence.includes(`rdb_last_bgsave_status:${status}`);
  });
}
