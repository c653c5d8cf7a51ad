import { memoryStore } from "latchkey/memory";
import { ManualClock, storeConformance } from "latchkey/testing";
import { describe, test } from "vitest";

storeConformance({ describe, test }, "memory store", async () => {
  const clock = new ManualClock();
  const store = memoryStore({ clock });
  return {
    store,
    other: store,
    elapse: async (ms) => clock.advance(ms),
    close: () => store.close(),
  };
});
