import { memoryStore } from "latchkey/memory";
import { ManualClock, storeConformance } from "latchkey/testing";
import { describe, expect, test } from "vitest";

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

test("an option that is none is refused by name", () => {
  const slip: object = { clok: new ManualClock() };
  expect(() => memoryStore(slip)).toThrow(
    expect.objectContaining({ code: "invalid-option", field: "clok" }),
  );
});
