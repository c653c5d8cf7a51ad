/** One HTTP/1.1 request byte by byte: what no well-behaved client would send. */
import { once } from "node:events";
import { connect } from "node:net";

export interface RawResponse {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

const LIMIT_MS = 30_000;

/** @param lines the request line and headers, without Host, Connection and Content-Length */
export async function rawRequest(
  port: number,
  lines: readonly string[],
  body: Buffer | string = "",
  host = "localhost",
): Promise<RawResponse> {
  const socket = connect(port, "127.0.0.1");
  const bytes = Buffer.from(body);
  const head = [...lines, `Host: ${host}`, "Connection: close", `Content-Length: ${bytes.length}`];
  socket.setTimeout(LIMIT_MS, () => socket.destroy(new Error("no answer")));
  // latin1: one character is one byte, so a test can send any.
  socket.write(Buffer.from(`${head.join("\r\n")}\r\n\r\n`, "latin1"));
  socket.write(bytes);
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  await once(socket, "close");
  const text = Buffer.concat(chunks).toString();
  const cut = text.indexOf("\r\n\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]);
  return { status, head: text.slice(0, cut), body: text.slice(cut + 4) };
}
