/** A client with all its defaults and nothing of ours around it: what a fault does to naive code. */
import type { Library } from "latchkey/redis";

export interface Alone {
  /** How long one question takes to be answered. */
  ask(): Promise<number>;
  end(): void;
}

/** Connects to 127.0.0.1. */
export async function openAlone(library: Library, port: number): Promise<Alone> {
  const { ping, end } = await (library === "redis" ? nodeRedis(port) : ioredis(port));
  return {
    async ask() {
      const start = performance.now();
      await ping();
      return performance.now() - start;
    },
    end,
  };
}

interface Pinging {
  ping(): Promise<unknown>;
  end(): void;
}

async function nodeRedis(port: number): Promise<Pinging> {
  const { createClient } = await import("redis");
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  client.on("error", () => {});
  await client.connect();
  return { ping: async () => client.ping(), end: () => client.destroy() };
}

async function ioredis(port: number): Promise<Pinging> {
  const { Redis } = await import("ioredis");
  const client = new Redis(port);
  client.on("error", () => {});
  await client.ping();
  return { ping: async () => client.ping(), end: () => client.disconnect() };
}
