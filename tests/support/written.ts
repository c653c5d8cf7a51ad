/** Waiting until what Redis has acknowledged outlives its process. */
import { respOnce } from "./resp.ts";
import { until } from "./until.ts";

/**
 * Resolves once the append-only file has all writes so far. Redis acknowledges earlier where it syncs
 * every second: while a sync takes long, it holds back for two seconds what it has yet to write.
 */
export async function untilWritten(port: number): Promise<void> {
  await until(async () => {
    const persistence = String(await respOnce(port, "INFO", "persistence"));
    return /^aof_buffer_length:0\r$/m.test(persistence);
  });
}
