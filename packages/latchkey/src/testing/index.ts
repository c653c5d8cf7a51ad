/** For people who write their own store or adapter: the contracts as tests, and a clock to move. */
export { adapterConformance } from "./adapter-conformance.ts";
export type { AdapterHarness, Application, Reply, Route, Served } from "./adapter-harness.ts";
export { ManualClock } from "./manual-clock.ts";
export { type StoreHarness, storeConformance, type TestRunner } from "./store-conformance.ts";
export { WatchedStore } from "./watched-store.ts";
