/** Who a session is of, as the modules of users want to have it. Only behind `requireSession`. */
import type { Request } from "express";
import { parseUsername, type Username } from "./users/username.ts";

/** In production only canonical names log in, so this changes nothing: it checks. */
export function sessionUser(req: Request): Username {
  const parsed = parseUsername(req.session.user);
  if (parsed.username === undefined || parsed.username !== req.session.user) {
    throw new TypeError("the user of a session is no canonical name");
  }
  return parsed.username;
}
