import fastify from "fastify";
import { createSessions } from "latchkey";
import { fastifySessions, requireSession } from "latchkey/fastify";
import { redisStore } from "latchkey/redis";

const store = await redisStore({ url: process.env.REDIS_URL ?? "redis://127.0.0.1:6379" });
const app = fastify();
await app.register(fastifySessions(createSessions({ store })));
app.post("/login", async ({ session }, reply) => {
  await session.login("ada", { keep: ["items"] }); // once you have checked that it is ada
  return reply.redirect("/profile", 303);
});
const isLoggedIn = { onRequest: requireSession() };
app.get("/profile", isLoggedIn, async ({ session }) => ({ user: session.user }));
// And data, saved before the response leaves; and the end.
app.post("/cart", async ({ session }, reply) => {
  session.data.items = [...(session.data.items ?? []), "tea"];
  return reply.redirect("/cart", 303);
});
app.get("/cart", async ({ session }) => session.data);
app.post("/logout", async ({ session }, reply) => {
  await session.logout();
  return reply.code(204).send();
});
await app.listen({ port: Number(process.env.PORT ?? 3000) });
