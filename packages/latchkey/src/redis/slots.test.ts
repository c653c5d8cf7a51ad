import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { mintFree, mintSteered, SLOT_COUNT, slotOf } from "./slots.ts";

/** A reproducible source: SHA-256 in counter mode. */
function seeded(seed: string): (size: number) => Uint8Array {
  let counter = 0;
  return (size) =>
    createHash("shake256", { outputLength: size }).update(`${seed}:${counter++}`).digest();
}

describe("slotOf is Redis Cluster's rule", () => {
  // Known from the Cluster specification and from CLUSTER KEYSLOT.
  test.each([
    ["123456789", 0x31c3],
    ["session:abc", 14_788],
    ["{session:abc}:record", 14_788],
    ["app:session:abc", 13_596],
    ["foo", 12_182],
    ["foo{}{bar}", 8_363],
    ["foo{{bar}}zap", slotOf("{bar")],
    ["foo{bar}{zap}", 5_061],
    ["", 0],
  ])("%s", (key, slot) => {
    expect(slotOf(key)).toBe(slot);
  });
});

describe("a steered id", () => {
  test("lands in every slot there is, under any prefix", () => {
    const random = seeded("every slot");
    for (const prefix of ["session:", "my-app:s:"]) {
      for (let slot = 0; slot < SLOT_COUNT; slot++) {
        const sid = mintSteered(prefix, slot, random);
        expect(sid).toMatch(/^[A-Za-z0-9_-]{24}$/);
        if (slotOf(prefix + sid) !== slot) expect.fail(`${sid} is not in slot ${slot}`);
      }
    }
  });

  test("has at least 8 suffixes to choose from, so 129 random bits", () => {
    // The free 21 characters stay fixed; only the 4 bytes that pick the suffix move.
    const fixed = Buffer.alloc(16, 7);
    for (const slot of [0, 1, 4_711, 16_383]) {
      const seen = new Set<string>();
      for (let pick = 0; pick < 64; pick++) {
        const pickBytes = Buffer.alloc(4);
        pickBytes.writeUInt32BE(pick);
        seen.add(mintSteered("session:", slot, () => Buffer.concat([fixed, pickBytes])));
      }
      expect(seen.size).toBeGreaterThanOrEqual(8);
      expect(seen.size).toBeLessThanOrEqual(23);
    }
  });

  test("uses every byte that it draws for the free characters", () => {
    const bytes = seeded("bits")(20);
    const base = mintSteered("session:", 42, () => bytes);
    for (let byte = 0; byte < 16; byte++) {
      const flipped = Buffer.from(bytes);
      flipped[byte] = (flipped[byte] ?? 0) ^ 0xff;
      expect(
        mintSteered("session:", 42, () => flipped),
        `byte ${byte}`,
      ).not.toBe(base);
    }
  });
});

test("a free id is 24 characters and two differ", () => {
  const random = seeded("free");
  expect(mintFree(random)).toMatch(/^[A-Za-z0-9_-]{24}$/);
  expect(mintFree(random)).not.toBe(mintFree(random));
});
