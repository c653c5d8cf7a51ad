/** For people who write their own store: its contract as tests, and a clock to move. */
export { ManualClock } from "./manual-clock.ts";
export { type StoreHarness, storeConformance, type TestRunner } from "./store-conformance.ts";
