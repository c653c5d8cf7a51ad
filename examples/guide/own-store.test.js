import { describe, test } from "node:test";
import { memoryStore } from "latchkey/memory";
import { ManualClock, storeConformance } from "latchkey/testing";

storeConformance({ describe, test }, "MyStore", async () => {
  const clock = new ManualClock();
  const store = memoryStore({ clock }); // yours here
  const elapse = async (ms) => clock.advance(ms);
  return { store, other: store, elapse, close: () => store.close() };
});
