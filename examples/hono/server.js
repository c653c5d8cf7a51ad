import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { createSessions } from "latchkey";
import { honoSessions, requireSession } from "latchkey/hono";
import { redisStore } from "latchkey/redis";

const store = await redisStore({ url: process.env.REDIS_URL ?? "redis://127.0.0.1:6379" });
const app = new Hono().use(honoSessions(createSessions({ store })));
app.post("/login", async (c) => {
  await c.var.session.login("ada", { keep: ["items"] }); // once you have checked that it is ada
  return c.redirect("/profile", 303);
});
app.get("/profile", requireSession(), (c) => c.json({ user: c.var.session.user }));
// And data, saved before the response leaves; and the end.
app.post("/cart", (c) => {
  const { data } = c.var.session;
  data.items = [...(data.items ?? []), "tea"];
  return c.redirect("/cart", 303);
});
app.get("/cart", (c) => c.json(c.var.session.data));
app.post("/logout", async (c) => {
  await c.var.session.logout();
  return c.body(null, 204);
});
serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 3000) });
