/** The answer to whoever has a new token, and what is kept of the device. */
import type { Request, Response } from "express";
import type { Login } from "latchkey";
import { encodeDevice } from "./device.ts";
import { isoTime } from "./iso-time.ts";
import { senderOf } from "./request-client.ts";
import type { Transport } from "./transport.ts";

/** `token` is for who sends it as a header; with a cookie it is in the cookie alone. */
export function answerLogin(
  res: Response,
  { sid, token, expiresAt }: Login,
  { transport, message }: { readonly transport: Transport; readonly message: string },
): void {
  const inBody = transport === "header" ? { token } : {};
  res.json({ message, sessionId: sid, expiresAt: isoTime(expiresAt), ...inBody });
}

/** For `login({ device })`. */
export function deviceOf(req: Request): string {
  return encodeDevice({ where: senderOf(req).where, userAgent: req.get("user-agent") });
}

/** Aborted once nobody waits for the answer: a hash is not begun for who has gone. */
export function untilGone(res: Response): AbortSignal {
  const gone = new AbortController();
  res.once("close", () => gone.abort());
  return gone.signal;
}
