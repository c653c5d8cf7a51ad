/** The body of `POST /auth/login` in the demo: a name is enough. */
import { z } from "zod";
import { bodyOf, checkBody, TRANSPORT } from "./json-body.ts";

export const USERNAME_MAX_CODE_POINTS = 64;

export interface LoginBody {
  /** 1 to 64 code points without control characters, exactly as sent. */
  readonly username: string;
  readonly transport: "cookie" | "header" | undefined;
}

/** Throws a 400 `Problem` that points at each bad field. Unknown fields are ignored. */
export function checkLoginBody(body: unknown): LoginBody {
  const { username, transport } = checkBody(LOGIN_BODY, body);
  return { username, transport };
}

const LOGIN_BODY = bodyOf({
  username: z
    .string("must be a string")
    .refine((name) => name !== "", "must not be empty")
    .refine((name) => [...name].length <= USERNAME_MAX_CODE_POINTS, {
      error: `must be at most ${USERNAME_MAX_CODE_POINTS} code points`,
    })
    .refine((name) => !/[\p{Cc}\p{Surrogate}]/u.test(name), {
      error: "must not contain control characters or half surrogate pairs",
    }),
  transport: TRANSPORT,
});
