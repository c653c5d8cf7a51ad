/** Errors over HTTP: RFC 9457 problem documents. Fixed words: no stack, no key, no echo of input. */
import type { ErrorRequestHandler, Request, RequestHandler, Response } from "express";
import { isSessionError } from "latchkey";
import { requestIdOf } from "./request-id.ts";

/** What is wrong with one part of a body, by JSON pointer. */
export interface FieldError {
  readonly pointer: string;
  readonly message: string;
}

/** A problem document, but for its `message` and `requestId`, which follow. */
export interface ProblemDetails {
  readonly status: number;
  /** Stable, for programs. */
  readonly code: string;
  readonly title: string;
  readonly errors?: readonly FieldError[] | undefined;
}

/** Thrown by a route, answered by `problemHandler`. */
export class Problem extends Error implements ProblemDetails {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly errors: readonly FieldError[] | undefined;

  constructor({ status, code, title, errors }: ProblemDetails, options?: ErrorOptions) {
    super(title, options);
    this.status = status;
    this.code = code;
    this.title = title;
    this.errors = errors;
  }
}

/** How long a client should wait before it tries a store again that could not answer. */
const RETRY_AFTER_SECONDS = 1;

/** Answers with a problem. `message` repeats `title` for clients that look for that name. */
function sendProblem(
  req: Request,
  res: Response,
  { status, code, title, errors }: ProblemDetails,
): void {
  if (status === 401) res.set("WWW-Authenticate", "Session");
  if (status === 503) res.set("Retry-After", String(RETRY_AFTER_SECONDS));
  res
    .status(status)
    .set("Cache-Control", "no-store")
    .type("application/problem+json")
    .json({ title, status, code, message: title, requestId: requestIdOf(req), errors });
}

/** For `requireSession`: a refusal becomes a problem, and an unknown answer a line in the log. */
export function refuse(req: Request, _res: Response, refusal: ProblemDetails): never {
  // Reading the user of a session that could not be checked throws, with the cause.
  if (refusal.status === 503) void req.session.user;
  throw new Problem(refusal);
}

export function methodNotAllowed(allow: string): RequestHandler {
  return (_req, res) => {
    res.set("Allow", allow);
    throw new Problem({ status: 405, code: "method_not_allowed", title: "Method not allowed" });
  };
}

export const notFound: RequestHandler = () => {
  throw new Problem({ status: 404, code: "not_found", title: "Not found" });
};

/** The last handler: whatever was thrown becomes a problem, and what nobody planned a log line. */
export function problemHandler(log: (line: string) => void): ErrorRequestHandler {
  return (error, req, res, next) => {
    // Too late for an answer of ours: Express cuts the connection, so nobody takes it for whole.
    if (res.headersSent) return next(error);
    const problem = problemOf(error);
    if (problem.status >= 500)
      log(`${requestIdOf(req)} ${req.method} ${problem.code} ${cause(error)}`);
    sendProblem(req, res, problem);
  };
}

function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (isSessionError(error) && error.code === "store-unavailable") {
    return new Problem({
      status: 503,
      code: "store_unavailable",
      title: "Sessions cannot be checked right now",
    });
  }
  if (isSessionError(error) && error.code === "csrf") return forged();
  // What Express and its body parser throw carries a status (http-errors).
  switch (statusOf(error)) {
    case undefined:
      return new Problem({
        status: 500,
        code: "internal_error",
        title: "Something went wrong here",
      });
    case 413:
      return tooLarge();
    case 415:
      return unsupportedType();
    default:
      return new Problem({
        status: 400,
        code: "invalid_request",
        title: "The request cannot be read",
      });
  }
}

/** A page of another origin may have made a browser send it. */
export function forged(): Problem {
  return new Problem({ status: 403, code: "csrf", title: "Refused: from another site" });
}

export function tooLarge(): Problem {
  return new Problem({ status: 413, code: "too_large", title: "The body is too large" });
}

export function unsupportedType(): Problem {
  const title = "Send application/json in UTF-8";
  return new Problem({ status: 415, code: "unsupported_media_type", title });
}

function statusOf(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("status" in error)) return undefined;
  const { status } = error;
  return typeof status === "number" && status >= 400 && status < 500 ? status : undefined;
}

/**
 * For the log: what went wrong, down the chain of causes. Of an error that Redis answered only the
 * code: its text can repeat arguments, and a session id would be one.
 */
function cause(error: unknown): string {
  const chain: string[] = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    chain.push(/^[A-Z]{3,}\b/.exec(at.message)?.[0] ?? at.message);
  }
  return chain.join(" <- ");
}
