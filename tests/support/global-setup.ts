/** vitest globalSetup: makes sure of the programs that the tests need, before the first test. */
import { chromiumBinary, redisBinary } from "./binaries.ts";

export async function setup(): Promise<void> {
  const say = (line: string): void => console.log(`test setup: ${line}`);
  // Workers start with a copy of this environment.
  Object.assign(process.env, { LATCHKEY_TEST_REDIS_BINARY: await redisBinary(say) });
  const chromium = await chromiumBinary(say);
  if (chromium === undefined) return;
  say(`found ${chromium}`);
  Object.assign(process.env, { CHROMIUM_PATH: chromium });
}
