/**
 * What we say comes back. It happens while Redis is away from a port that kernels hand out to callers: a
 * call to it can get that very port, and is connected to itself. RESP has one form for commands and
 * replies, so an echo is a reply. Promise: it is not taken for a Redis, and not held, which would keep
 * Redis from its port.
 */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { connect } from "latchkey/redis";
import { expect, test } from "vitest";
import { openAlone } from "../support/alone.ts";
import { KINDS } from "../support/topologies.ts";
import { until } from "../support/until.ts";

const START_MS = 500;
const URLS = {
  single: { urlOf: (port: number) => `redis://127.0.0.1:${port}`, why: "no Redis" },
  sentinel: {
    urlOf: (port: number) => `redis+sentinel://127.0.0.1:${port}/main`,
    why: "no Sentinel",
  },
  cluster: { urlOf: (port: number) => `redis+cluster://127.0.0.1:${port}`, why: "no slots" },
} as const;

test.each(KINDS)("%s, %s: an echo is no Redis", async (library, topology) => {
  let open = 0;
  const echo = createServer((socket) => {
    open += 1;
    socket
      .on("error", () => {})
      .on("close", () => {
        open -= 1;
      });
    socket.pipe(socket);
  });
  echo.listen(0, "127.0.0.1");
  await once(echo, "listening");
  const { port } = echo.address() as AddressInfo;
  // A client alone takes it for one.
  const alone = await openAlone(library, port);
  await alone.ask();
  alone.end();

  const { urlOf, why } = URLS[topology];
  await expect(connect(urlOf(port), { library, timeoutMs: START_MS })).rejects.toMatchObject({
    code: "store-unavailable",
    message: expect.stringContaining(why),
  });
  await until(() => open === 0);
  echo.close();
});
