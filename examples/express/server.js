import express from "express";
import { createSessions } from "latchkey";
import { expressSessions, requireSession } from "latchkey/express";
import { redisStore } from "latchkey/redis";

const store = await redisStore({ url: process.env.REDIS_URL ?? "redis://127.0.0.1:6379" });
const app = express();
app.use(expressSessions(createSessions({ store })));
app.post("/login", async (req, res) => {
  await req.session.login("ada", { keep: ["items"] }); // once you have checked that it is ada
  res.redirect(303, "/profile");
});
app.get("/profile", requireSession(), (req, res) => res.json({ user: req.session.user }));
// And data, saved before the response leaves; and the end.
app.post("/cart", (req, res) => {
  req.session.data.items = [...(req.session.data.items ?? []), "tea"];
  res.redirect(303, "/cart");
});
app.get("/cart", (req, res) => res.json(req.session.data));
app.post("/logout", async (req, res) => {
  await req.session.logout();
  res.sendStatus(204);
});
app.listen(process.env.PORT ?? 3000);
