/** Waiting for a condition instead of for a time. */
import { setTimeout as pause } from "node:timers/promises";

const LIMIT_MS = 30_000;
const POLL_MS = 10;

/** Resolves once `condition` holds. The limit only ends a test that has failed. */
export async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not true within ${LIMIT_MS} ms: ${condition}`);
    await pause(POLL_MS);
  }
}
