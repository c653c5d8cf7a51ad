// A route handler of Next.js, app/profile/route.js: whatever takes a Request and gives a Response.
import { fetchSessions, requireSession } from "latchkey/fetch";
import { sessions } from "./sessions.js";

const withSession = fetchSessions(sessions);
export const POST = withSession(async (request, session) => {
  await session.login("ada", { keep: ["items"] }); // once you have checked that it is ada
  return Response.redirect(new URL("/profile", request.url), 303);
});
export const GET = withSession(requireSession(), (_request, { user }) => Response.json({ user }));
// And data, saved before the response leaves; and the end.
export const PATCH = withSession((_request, { data }) => {
  data.items = [...(data.items ?? []), "tea"];
  return Response.json(data);
});
export const DELETE = withSession(async (_request, session) => {
  await session.logout();
  return new Response(null, { status: 204 });
});
