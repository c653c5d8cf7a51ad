/** Ours, with what differs from the defaults: plain http, and room for the sessions of the run. */
import { createSessions } from "latchkey";
import { nearCache } from "latchkey/near-cache";
import { redisStore } from "latchkey/redis";

const NAMES = ["latchkey", "latchkey (near)"];

export const isOurs = (name) => NAMES.includes(name);

export async function oursOf(name, redisUrl) {
  const store = await redisStore({ url: redisUrl });
  const kept = name === "latchkey (near)" ? nearCache(store) : store;
  return createSessions({ store: kept, cookie: { name: "sid", secure: false } });
}
