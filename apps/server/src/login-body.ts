/** The body of `POST /auth/login`: read as strict JSON, checked field by field. */
import { isUtf8 } from "node:buffer";
import express, { type RequestHandler } from "express";
import { z } from "zod";
import { Problem, tooLarge, unsupportedType } from "./problem.ts";

export const BODY_MAX_BYTES = 8_192;
export const USERNAME_MAX_CODE_POINTS = 64;

export interface LoginBody {
  /** 1 to 64 code points without control characters, exactly as sent. */
  readonly username: string;
  readonly transport: "cookie" | "header" | undefined;
}

const parseJson = express.json({
  limit: BODY_MAX_BYTES,
  // A compressed body could unpack to any size; nobody compresses a username.
  inflate: false,
  verify: (_req, _res, body) => {
    // The parser would put U+FFFD for what is not UTF-8 and log in somebody else.
    if (!isUtf8(body)) throw new Error("not UTF-8");
  },
});

/** Reads a JSON body into `req.body`; anything but UTF-8 `application/json` is a 415. */
export const readJson: RequestHandler = (req, res, next) => {
  const type = req.get("content-type");
  if (type !== undefined && !isJson(type)) {
    throw unsupportedType();
  }
  // Said before it is sent: nobody has to read it first.
  if (Number(req.get("content-length") ?? 0) > BODY_MAX_BYTES) {
    res.set("Connection", "close");
    throw tooLarge();
  }
  return parseJson(req, res, next);
};

/** `application/json`, in UTF-8 if it says so. No regular expression: blanks make those quadratic. */
function isJson(contentType: string): boolean {
  const [type = "", ...parameters] = contentType
    .split(";")
    .map((part) => part.trim().toLowerCase());
  const charsets = ["charset=utf-8", 'charset="utf-8"'];
  return type === "application/json" && parameters.every((part) => charsets.includes(part));
}

/** Throws a 400 `Problem` that points at each bad field. Unknown fields are ignored. */
export function checkLoginBody(body: unknown): LoginBody {
  const parsed = LOGIN_BODY.safeParse(body);
  if (parsed.success) return { username: parsed.data.username, transport: parsed.data.transport };
  const errors = parsed.error.issues.map(({ path, message }) => ({
    pointer: path.map((part) => `/${String(part)}`).join(""),
    message,
  }));
  const title = "The request is not valid";
  throw new Problem({ status: 400, code: "invalid_request", title, errors });
}

const LOGIN_BODY = z.object(
  {
    username: z
      .string("must be a string")
      .refine((name) => name !== "", "must not be empty")
      .refine((name) => [...name].length <= USERNAME_MAX_CODE_POINTS, {
        error: `must be at most ${USERNAME_MAX_CODE_POINTS} code points`,
      })
      .refine((name) => !/[\p{Cc}\p{Surrogate}]/u.test(name), {
        error: "must not contain control characters or half surrogate pairs",
      }),
    transport: z.enum(["cookie", "header"], 'must be "cookie" or "header"').optional(),
  },
  "must be a JSON object",
);
