/** The brief, walked with a Redis through Sentinel. */
process.env["LATCHKEY_TEST_TOPOLOGY"] = "sentinel";
await import("./brief.test.ts");
