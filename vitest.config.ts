import { defineConfig } from "vitest/config";
import { ClosingLine } from "./tests/support/closing-line.ts";

/** Tests run from the sources; only what starts the built server needs `npm run build` first. */
const conditions = ["source", "module", "node", "development|production"];
const shared = { resolve: { conditions }, ssr: { resolve: { conditions } } };

export default defineConfig({
  test: {
    // One file at a time: the servers under test promise answers within 250 ms, and on a small
    // machine a second file's processes would eat into that.
    fileParallelism: false,
    reporters: ["default", new ClosingLine()],
    projects: [
      {
        ...shared,
        test: {
          name: "tidy",
          include: ["tests/{tidy,deploy}.test.ts"],
        },
      },
      {
        ...shared,
        test: {
          name: "all",
          include: ["packages/*/src/**/*.test.ts", "apps/*/src/**/*.test.ts", "tests/**/*.test.ts"],
          exclude: ["tests/{tidy,deploy}.test.ts", "**/node_modules/**"],
          globalSetup: ["tests/support/global-setup.ts"],
          // Not a speed that is promised: room for a busy machine that starts real processes.
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
