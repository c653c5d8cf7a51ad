import assert from "node:assert/strict";
import { createSessions } from "latchkey";
import { memoryStore } from "latchkey/memory";
import { z } from "zod";
import { request } from "./request.js";

const sessions = createSessions({
  store: memoryStore(),
  data: z.object({
    cart: z.array(z.string()).default([]),
    theme: z.enum(["light", "dark"]).optional(),
  }),
});

const session = await sessions.open(request());
session.data.cart.push("tea"); // string[]: the schema filled it in
session.data.theme = "dark";
await session.commit();

session.data.theme = "pink";
await assert.rejects(session.commit(), { code: "invalid-data", field: "theme" });

session.data.theme = undefined; // deletes it
session.data.colour = "pink";
await assert.rejects(session.commit(), { message: "data: colour is not in the schema" });

assert.throws(() => Object.assign(session.data, { since: new Date() }), {
  code: "invalid-data",
  message: "data: since is a Date; keep it as a string or plain object",
});
