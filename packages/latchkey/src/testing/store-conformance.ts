/**
 * The contract of `SessionStore` as tests. Every store passes the same ones.
 *
 * @example
 * import { describe, test } from "vitest";
 * storeConformance({ describe, test }, "MyStore", async () => ({ store, other, elapse, close }));
 */
import { UPDATE } from "./checks/data.ts";
import { CLOSE, CREATE, LOAD, MINT, TOUCH } from "./checks/life.ts";
import { RENEW, REPEAT, ROTATE } from "./checks/rotation.ts";
import type { StoreHarness } from "./checks/steps.ts";
import { CAP, LIST, REVOKE, REVOKE_USER } from "./checks/users.ts";

export type { StoreHarness };

/** What the suite needs of a test runner; vitest, node:test and Jest all fit. */
export interface TestRunner {
  describe(name: string, body: () => void): unknown;
  test(name: string, body: () => Promise<void>): unknown;
}

const CHAPTERS = {
  ...{ mintId: MINT, create: CREATE, load: LOAD, touch: TOUCH, update: UPDATE },
  ...{ rotate: ROTATE, "rotate again": REPEAT, "rotate at a login": RENEW },
  ...{ revoke: REVOKE, revokeUser: REVOKE_USER, cap: CAP, list: LIST, close: CLOSE },
};

/** @param open gives a store with nothing in it; called once for each test */
export function storeConformance(
  { describe, test }: TestRunner,
  name: string,
  open: () => Promise<StoreHarness>,
): void {
  for (const [chapter, checks] of Object.entries(CHAPTERS)) {
    describe(`${name}: ${chapter}`, () => {
      for (const [promise, check] of Object.entries(checks)) {
        test(promise, async () => {
          const harness = await open();
          try {
            await check(harness);
          } finally {
            await harness.close();
          }
        });
      }
    });
  }
}
