/** A process of clients on the built library: plays what its parent sends, and sends what it heard. */
import { redisStore } from "latchkey/redis";
import { play } from "./history.js";

const [url = "", prefix = "", ...timeouts] = process.argv.slice(2);
const open = (/** @type {string} */ callTimeout) =>
  redisStore({
    ...{ url, prefix },
    callTimeout: /** @type {import("latchkey").Duration} */ (callTimeout),
  });
const stores = await Promise.all(timeouts.map(open));

process.on("message", async (/** @type {any} */ { sessions, wishes }) => {
  process.send?.(await play(stores, sessions, wishes));
});
process.send?.("ready");
