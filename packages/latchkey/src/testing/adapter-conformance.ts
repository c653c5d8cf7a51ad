/**
 * What an adapter must do, over real sockets. Every adapter passes the same ones.
 *
 * @example
 * import { describe, test } from "vitest";
 * adapterConformance({ describe, test }, "MyAdapter", { serve, openStore });
 */
import { CREDENTIAL, CSRF, GUARD } from "./adapter-checks-access.ts";
import { FAULT } from "./adapter-checks-fault.ts";
import { COOKIE, HEAD } from "./adapter-checks-head.ts";
import { SAVE, STREAM } from "./adapter-checks-save.ts";
import { AdapterBench, type AdapterHarness } from "./adapter-harness.ts";
import type { TestRunner } from "./store-conformance.ts";

const CHAPTERS = {
  ...{ cookie: COOKIE, head: HEAD, save: SAVE, stream: STREAM, fault: FAULT },
  ...{ credential: CREDENTIAL, guard: GUARD, csrf: CSRF },
};

export function adapterConformance(
  { describe, test }: TestRunner,
  name: string,
  harness: AdapterHarness,
): void {
  for (const [chapter, checks] of Object.entries(CHAPTERS)) {
    describe(`${name}: ${chapter}`, () => {
      for (const [promise, check] of Object.entries(checks)) {
        test(promise, async () => {
          const bench = new AdapterBench(harness, await harness.openStore());
          try {
            await check(bench);
          } finally {
            await bench.close();
          }
        });
      }
    });
  }
}
