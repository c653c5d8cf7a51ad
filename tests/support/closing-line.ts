/** A vitest reporter: the last line of a run is `N passed, N failed, N skipped`. */
import type { Reporter, TestModule } from "vitest/node";

export class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const count = { passed: 0, failed: 0, skipped: 0 };
    for (const module of modules) {
      const tests = [...module.children.allTests()];
      for (const test of tests) {
        const { state } = test.result();
        if (state !== "pending") count[state] += 1;
      }
      // A file that failed to load has no failed test of its own, yet it failed.
      const ownError = module.errors().length > 0 && tests.every((test) => test.ok());
      if (ownError) count.failed += 1;
    }
    count.failed += errors.length;
    const line = `${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`;
    // Printed when the process ends, because the default reporter prints its summary after this.
    process.once("exit", () => process.stdout.write(`\n${line}\n`));
  }
}
