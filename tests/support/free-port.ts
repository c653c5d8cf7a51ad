/** Ports of 127.0.0.1 that nobody uses at the moment, as the kernel hands them out. */
import { once } from "node:events";
import { createServer, type Server } from "node:net";

/** Two callers can get the same port, so whoever binds it must be ready to ask again. */
export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}

/** `count` different ports: all are held until the last one is known. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(Array.from({ length: count }, async () => listen()));
  const ports = servers.map(portOf);
  await Promise.all(servers.map(close));
  return ports;
}

// Below the range from which kernels hand out ports, so that no other test gets one of them. Every
// test process begins at a place of its own and goes round.
const RANGES_FROM = 10_000;
const RANGES_TO = 30_000;
const RANGE_TRIES_MAX = 100;
let nextRange = process.pid * 10;

/** The first of `count` neighbouring ports that are free, for a server that tries one by one. */
export async function freePortRange(count: number): Promise<number> {
  for (let tries = 0; tries < RANGE_TRIES_MAX; tries += 1) {
    const first = RANGES_FROM + ((nextRange * count) % (RANGES_TO - RANGES_FROM - count));
    nextRange += 1;
    const ports = Array.from({ length: count }, (_, offset) => first + offset);
    const servers = await Promise.allSettled(ports.map(async (port) => listen(port)));
    const held = servers.filter((server) => server.status === "fulfilled");
    await Promise.all(held.map(async ({ value }) => close(value)));
    if (held.length === count) return first;
  }
  throw new Error(`${RANGE_TRIES_MAX} ranges of ports are all in use`);
}

async function listen(port = 0): Promise<Server> {
  const server = createServer();
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return server;
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not a TCP server");
  return address.port;
}

async function close(server: Server): Promise<void> {
  server.close();
  await once(server, "close");
}
