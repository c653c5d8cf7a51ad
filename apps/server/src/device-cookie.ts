/** The cookie that a known device carries: see `throttle/device-mark.ts`. No credential. */
import type { Request, Response } from "express";

const NAME = "__Host-device";
/** As long as browsers keep any cookie: 400 days (RFC 6265bis §5.5). */
const MAX_AGE_MS = 400 * 86_400_000;
const COOKIE = new RegExp(`(?:^|;)[ \\t]*${NAME}=([\\w.-]{1,128})[ \\t]*(?:;|$)`);

/** Undefined: there is none. Whether it is good, `DeviceMarks` says. */
export function readDeviceMark(req: Request): string | undefined {
  return COOKIE.exec(req.get("cookie") ?? "")?.[1];
}

export function giveDeviceMark(res: Response, mark: string): void {
  res.cookie(NAME, mark, {
    ...{ path: "/", secure: true, httpOnly: true, sameSite: "lax" },
    maxAge: MAX_AGE_MS,
  });
}
