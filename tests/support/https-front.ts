/**
 * The TLS proxy that production stands behind. Browsers keep a `__Host-` cookie for https alone, and
 * the server answers them by https alone.
 */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type IncomingMessage, request, type ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Certificate } from "./certificate.ts";

export interface HttpsFront {
  /** `https://127.0.0.1:<port>`: the PUBLIC_ORIGIN of the server behind it. */
  readonly origin: string;
  /** Where requests go from now on. */
  forwardTo(port: number): void;
  /** Cuts every connection, as a proxy does that is started anew. */
  dropAll(): void;
  stop(): Promise<void>;
}

/** Listens before there is a server: that has to know its origin at its start. */
export async function startHttpsFront({ cert, key }: Certificate): Promise<HttpsFront> {
  let backend = 0;
  const server = createServer(
    { cert: await readFile(cert), key: await readFile(key) },
    (req, res) => pass(req, res, backend),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    origin: `https://127.0.0.1:${port}`,
    forwardTo(next) {
      backend = next;
    },
    dropAll: () => server.closeAllConnections(),
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function pass(req: IncomingMessage, res: ServerResponse, port: number): void {
  const { method, url: path } = req;
  const headers = {
    ...req.headers,
    "x-forwarded-proto": "https",
    "x-forwarded-for": req.socket.remoteAddress,
  };
  const asked = request({ port, host: "127.0.0.1", method, path, headers }, (answer) => {
    res.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(res);
  });
  asked.on("error", () => res.destroy());
  // A page that is left ends its stream of events.
  res.on("close", () => asked.destroy());
  req.pipe(asked);
}
