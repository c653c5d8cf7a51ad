/** JSON bodies: read strictly, checked field by field. */
import { isUtf8 } from "node:buffer";
import express, { type RequestHandler } from "express";
import { z } from "zod";
import { Problem, tooLarge, unsupportedType } from "./problem.ts";

export const BODY_MAX_BYTES = 8_192;

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
export function checkBody<Body>(schema: z.ZodType<Body>, body: unknown): Body {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.map(({ path, message }) => ({
    pointer: path.map((part) => `/${String(part)}`).join(""),
    message,
  }));
  const title = "The request is not valid";
  throw new Problem({ status: 400, code: "invalid_request", title, errors });
}

/** An object with these fields; which of them may be missing, each says itself. */
export function bodyOf<Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape> {
  return z.object(shape, "must be a JSON object");
}

/** How the token is to travel. */
export const TRANSPORT: z.ZodType<"cookie" | "header" | undefined> = z
  .enum(["cookie", "header"], 'must be "cookie" or "header"')
  .optional();
