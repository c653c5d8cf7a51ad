/** Errors over HTTP: RFC 9457 problem documents. Fixed words: no stack, no key, no echo of input. */
import type { ErrorRequestHandler, Request, RequestHandler, Response } from "express";
import { isSessionError } from "latchkey";
import { summaryOf } from "./log/error-summary.ts";
import type { Log } from "./log/logger.ts";
import { requestFields } from "./log/request-fields.ts";
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
  /** When to try again; of a 503 `RETRY_AFTER_SECONDS` if it is left out. */
  readonly retryAfterSeconds?: number | undefined;
}

/** Thrown by a route, answered by `problemHandler`. */
export class Problem extends Error implements ProblemDetails {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly errors: readonly FieldError[] | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(details: ProblemDetails, options?: ErrorOptions) {
    const { status, code, title, errors, retryAfterSeconds } = details;
    super(title, options);
    this.status = status;
    this.code = code;
    this.title = title;
    this.errors = errors;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** How long a client should wait before it tries a store again that could not answer. */
const RETRY_AFTER_SECONDS = 1;

/** Answers with a problem. `message` repeats `title` for clients that look for that name. */
function sendProblem(
  req: Request,
  res: Response,
  { status, code, title, errors, retryAfterSeconds }: ProblemDetails,
): void {
  if (status === 401) res.set("WWW-Authenticate", "Session");
  const retryAfter = retryAfterSeconds ?? (status === 503 ? RETRY_AFTER_SECONDS : undefined);
  if (retryAfter !== undefined) res.set("Retry-After", String(retryAfter));
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
export function problemHandler(log: Pick<Log, "write">): ErrorRequestHandler {
  return (error, req, res, next) => {
    // Too late for an answer of ours: Express cuts the connection, so nobody takes it for whole.
    if (res.headersSent) return next(error);
    const problem = problemOf(error);
    const { status, code } = problem;
    if (status >= 500) {
      const about = requestFields(req);
      log.write({ event: "request_failed", status, code, error: summaryOf(error), ...about });
    }
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
  // All sessions of the user were ended while the password was being checked.
  if (isSessionError(error) && error.code === "stale-credential") return wrongCredentials();
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

/** The words of `requireSession`, where it has let through a session that ended meanwhile. */
export function invalidSession(): Problem {
  return new Problem({ status: 401, code: "invalid_session", title: "Invalid session" });
}

/** Of what went wrong while a session was being ended: it may live if the store could not say. */
export function notRevoked(error: unknown): unknown {
  if (!isSessionError(error) || error.code !== "store-unavailable") return error;
  const title = "The session may still be valid";
  return new Problem({ status: 503, code: "not_revoked", title }, { cause: error });
}

/** A page of another origin may have made a browser send it. */
export function forged(): Problem {
  return new Problem({ status: 403, code: "csrf", title: "Refused: from another site" });
}

/** Identical for whoever is unknown, mistyped, disabled or without a password. */
export function wrongCredentials(): Problem {
  const title = "Wrong username or password";
  return new Problem({ status: 401, code: "invalid_credentials", title });
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
