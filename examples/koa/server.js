import Koa from "koa";
import { createSessions } from "latchkey";
import { koaSessions, requireSession } from "latchkey/koa";
import { redisStore } from "latchkey/redis";

const store = await redisStore({ url: process.env.REDIS_URL ?? "redis://127.0.0.1:6379" });
const app = new Koa().use(koaSessions(createSessions({ store })));
const profile = (ctx) => Object.assign(ctx, { body: { user: ctx.session.user } });
app.use(async (ctx, next) => {
  if (ctx.path === "/profile") return requireSession()(ctx, () => profile(ctx));
  if (ctx.method !== "POST" || ctx.path !== "/login") return next();
  await ctx.session.login("ada", { keep: ["items"] }); // once you have checked that it is ada
  ctx.redirect("/profile");
});
// And data, saved before the response leaves; and the end.
app.use(async (ctx) => {
  const { session } = ctx;
  if (ctx.path === "/cart" && ctx.method === "POST") {
    session.data.items = [...(session.data.items ?? []), "tea"];
    ctx.redirect("/cart");
  } else if (ctx.path === "/cart") {
    ctx.body = session.data;
  } else if (ctx.path === "/logout" && ctx.method === "POST") {
    await session.logout();
    ctx.status = 204;
  }
});
app.listen(process.env.PORT ?? 3000);
