// What a framework does with route.js: calls the handler of the method.
import { serve } from "@hono/node-server";
import * as route from "./route.js";

const handlers = new Map(Object.entries(route));
serve({
  port: Number(process.env.PORT ?? 3000),
  fetch: (request) =>
    handlers.get(request.method)?.(request) ?? new Response(null, { status: 405 }),
});
