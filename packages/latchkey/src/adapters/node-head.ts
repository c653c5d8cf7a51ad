/** The head of a response of Node: made that of a problem, or what `writeHead` was given noted in it. */
import type { ServerResponse } from "node:http";
import { problem, type Refusal } from "../core/refusal.ts";

/** Answers with a problem document; what a handler said of another body is taken back. */
export function sendProblem(res: ServerResponse, refusal: Refusal): void {
  res.end(headOfProblem(res, refusal));
}

/** Makes the head that of a problem; returns its body. */
export function headOfProblem(res: ServerResponse, refusal: Refusal): string {
  const { status, headers, body } = problem(refusal);
  for (const name of res.getHeaderNames()) if (OF_A_BODY.test(name)) res.removeHeader(name);
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
  res.statusCode = status;
  // Its reason phrase is of the status before. HTTP/2 has none, and warns of whoever looks.
  if (Object.hasOwn(res, "statusMessage")) res.statusMessage = "";
  return body;
}

const OF_A_BODY =
  /^(content-(?!security).*|transfer-encoding|trailer|etag|last-modified|location)$/;

/** What `writeHead` would send becomes what `res` is set to, so that the session's own can be added. */
export function takeHead(
  res: ServerResponse,
  [status, ...rest]: readonly unknown[],
): ServerResponse {
  res.statusCode = Number(status);
  if (typeof rest[0] === "string") res.statusMessage = rest[0];
  const headers = rest.find((item) => typeof item === "object" && item !== null);
  if (Array.isArray(headers)) takeList(res, headers);
  else if (headers !== undefined) {
    for (const [name, value] of Object.entries(headers)) {
      if (value === undefined || value === null) res.removeHeader(name);
      else res.setHeader(name, value);
    }
  }
  return res;
}

/** [[name, value], …] or [name, value, …]; what is there several times is sent several times. */
function takeList(res: ServerResponse, headers: readonly unknown[]): void {
  const list = headers.flat(Array.isArray(headers[0]) ? 1 : 0);
  for (let i = 0; i < list.length; i += 2) res.removeHeader(String(list[i]));
  for (let i = 0; i < list.length; i += 2) {
    res.appendHeader(String(list[i]), [list[i + 1] ?? []].flat().map(String));
  }
}
