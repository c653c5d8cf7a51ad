/** The brief, walked with a Redis on a Cluster. */
process.env["LATCHKEY_TEST_TOPOLOGY"] = "cluster";
await import("./brief.test.ts");
