/**
 * Every way to lose a reply. Promise: no write is applied twice, and none that was reported as failed
 * is applied once the driver serves again: a write is done, or it is unknown and was sent once.
 *
 * The rig can tell: ioredis with its defaults applies one twice, which the last test shows.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { INCR } from "../support/counted-writes.ts";
import type { Fault } from "../support/fault-proxy.ts";
import { type Proxied, startProxied } from "../support/proxied.ts";
import { LIBRARIES, type Opened, openClient, openUrl, TOPOLOGIES } from "../support/topologies.ts";
import { until } from "../support/until.ts";

const CALL_LIMIT_MS = 250;
const ANSWER_LIMIT_MS = 2 * CALL_LIMIT_MS;

const half = (chunk: Buffer): Buffer => chunk.subarray(0, chunk.length >> 1);
const FAULTS: Record<string, Fault | "blackhole" | "frozen"> = {
  "reset before the server has it": { request: "reset" },
  "closed before the server has it": { request: "end" },
  "the request is lost": { request: "lost" },
  "applied, then reset": { reply: () => undefined, afterwards: "reset" },
  "applied, then closed": { reply: () => undefined, afterwards: "end" },
  "applied, the reply lost": { reply: () => undefined },
  "applied, half a reply, then closed": { reply: half, afterwards: "end" },
  "applied, half a reply, then silence": { reply: half },
  "applied, the reply late": { lateMs: CALL_LIMIT_MS + 100 },
  "applied, garbage before the reply": {
    reply: (chunk) => Buffer.concat([Buffer.from("?"), chunk]),
  },
  "a black hole": "blackhole",
  "the server frozen": "frozen",
};
let count = 0;

describe.each(TOPOLOGIES)("%s", (topology) => {
  let place: Proxied;

  beforeAll(async () => {
    place = await startProxied(topology);
  });
  afterAll(async () => place?.stop());

  const ways = LIBRARIES.flatMap((library) => [
    [library, "by URL"] as const,
    [library, "client brought"] as const,
  ]);
  describe.each(ways)("%s, %s", (library, way) => {
    let opened: Opened;

    beforeAll(async () => {
      opened =
        way === "by URL"
          ? await openUrl(library, place.url, CALL_LIMIT_MS)
          : await openClient(library, place, CALL_LIMIT_MS);
    });
    afterAll(async () => opened?.close());

    test.each(Object.entries(FAULTS))("%s", async (_name, fault) => {
      const { driver } = opened;
      await until(async () => driver.script(INCR, ["warm"], []).then(Boolean, () => false));
      const key = `n${count++}`;
      const isWire = typeof fault === "object";
      if (isWire) place.proxy.arm(key, fault);
      if (fault === "blackhole") place.proxy.isBlackhole = true;
      if (fault === "frozen") await place.redis.kill("SIGSTOP");

      const start = performance.now();
      const outcome = await driver.script(INCR, [key], []).catch((error) => error.code);
      expect(performance.now() - start).toBeLessThan(ANSWER_LIMIT_MS);

      if (isWire) expect(place.proxy.hasStruck).toBe(true);
      place.proxy.isBlackhole = false;
      await place.redis.kill("SIGCONT");
      // Whatever waits anywhere to be sent again is sent before this.
      await until(async () => driver.script(INCR, ["after"], []).then(Boolean, () => false));
      await until(async () => driver.command("", ["PING"]).then(Boolean, () => false));
      const applied = Number((await place.resp.command("GET", key)) ?? 0);
      expect(applied).toBeLessThanOrEqual(1);
      if (Array.isArray(outcome)) expect([outcome, applied]).toEqual([[1], 1]);
      else expect(outcome).toBe("store-unavailable");
    });
  });
});

test("the rig sees a write that is applied twice: ioredis with its defaults", async () => {
  const place = await startProxied("single");
  const { Redis } = await import("ioredis");
  const client = new Redis(place.proxy.port);
  client.on("error", () => {});
  place.proxy.arm("twice", { reply: () => undefined, afterwards: "reset" });
  expect(await client.incr("twice")).toBe(2);
  client.disconnect();
  await place.stop();
});
