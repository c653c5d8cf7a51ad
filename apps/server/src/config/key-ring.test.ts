/** CRY-4, CRY-5: which secrets are taken, and that what is derived from them never mixes. */
import { execFileSync } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { KeyRing, parseKeyRing } from "./key-ring.ts";

const PURPOSES = ["csrf", "log", "pepper", "device", "throttle"] as const;
const SECRETS = [secret(), secret()];
const [FIRST = "", SECOND = ""] = SECRETS;

describe("CRY-4 a ring", () => {
  test("signs with its first key, and verifies with all, in its order", () => {
    const ring = ringOf(`k1:${FIRST},k2:${SECOND}`);
    expect(ring.ids).toEqual(["k1", "k2"]);
    for (const purpose of PURPOSES) {
      expect(ring.keysFor(purpose).map(({ id }) => id)).toEqual(["k1", "k2"]);
      expect(ring.keyFor(purpose)).toEqual(ring.keysFor(purpose)[0]);
    }
  });

  test("has a key for each purpose and secret, none twice, none a secret itself", () => {
    const ring = ringOf(`k1:${FIRST},k2:${SECOND}`);
    const keys = PURPOSES.flatMap((purpose) => ring.keysFor(purpose).map(({ key }) => hex(key)));
    expect(new Set([...keys, ...SECRETS]).size).toBe(keys.length + SECRETS.length);
    for (const key of keys) expect(key).toHaveLength(64);
  });

  test("gives the same keys in every process, whatever their place and id", () => {
    const ring = ringOf(`k1:${FIRST},k2:${SECOND}`);
    const moved = ringOf(`new:${SECOND.toUpperCase()}\nold:${FIRST}\n`);
    expect(hex(moved.keyFor("pepper").key)).toBe(hex(ring.keysFor("pepper")[1]?.key));
    // RFC 5869 by hand, with an empty salt: what is stored under it must not change with a release.
    const extracted = mac(Buffer.alloc(32), Buffer.from(FIRST, "hex"));
    const expanded = mac(extracted, Buffer.from("latchkey pepper v1\x01"));
    expect(hex(ring.keyFor("pepper").key)).toBe(hex(expanded));
  });

  test("takes line breaks for commas, and 128 bytes a key", () => {
    const long = randomBytes(128).toString("hex");
    expect(ringOf(`\n a_1:${FIRST} ,\r\nB-2:${long}\n`).ids).toEqual(["a_1", "B-2"]);
  });

  test("shows no secret when it is printed", () => {
    const ring = ringOf(`k1:${FIRST}`);
    for (const text of [inspect(ring, { depth: 9, showHidden: true }), JSON.stringify(ring)]) {
      expect(text).toContain("k1");
      expect(text.toLowerCase()).not.toContain(FIRST.slice(0, 8));
      expect(text).not.toContain(inspect(Buffer.from(FIRST, "hex")).slice(8, 19));
    }
  });
});

describe("CRY-5 a ring is refused", () => {
  test.each([
    ["", /no key/],
    [" ,\n", /no key/],
    [FIRST, /entry 1/],
    [`k1:${FIRST},${SECOND}`, /entry 2/],
    [`k 1:${FIRST}`, /entry 1/],
    [`${"k".repeat(33)}:${FIRST}`, /entry 1/],
    [`k1:${FIRST}a`, /entry 1/],
    [`k1:${FIRST.slice(2)}`, /32 to 128 random bytes/],
    [`k1:${randomBytes(129).toString("hex")}`, /32 to 128 random bytes/],
    [`k1:${Buffer.alloc(32, 7).toString("hex")}`, /not random/],
    [`k1:${"0123456789abcdef".repeat(4)}`, /not random/],
    [`k1:${FIRST},k1:${SECOND}`, /one id/],
    [`k1:${FIRST},k2:${FIRST}`, /two ids/],
  ])("%s", (text, why) => {
    const problem = parseKeyRing(text);
    expect(problem).toMatch(why);
    expect(problem).not.toContain(FIRST.slice(0, 8));
  });

  test("with any key that a document or an example of ours shows", () => {
    const root = new URL("../../../../", import.meta.url);
    const options = { cwd: root, encoding: "utf8" } as const;
    const names = execFileSync("git", ["ls-files", "*.md", "*.yml", ".env*", "examples"], options);
    const texts = names
      .trim()
      .split("\n")
      .map((name) => readFileSync(new URL(name, root), "utf8"));
    const shown = texts.join("\n").match(/\b[0-9a-f]{64}\b/gi) ?? [];
    expect(shown).not.toEqual([]);
    for (const key of shown) expect(parseKeyRing(`k1:${key}`)).toMatch(/published/);
  });

  test("but no random key ever is", () => {
    for (let tries = 0; tries < 10_000; tries += 1) {
      expect(parseKeyRing(`k1:${secret()}`)).toBeInstanceOf(KeyRing);
    }
  });
});

function ringOf(text: string): KeyRing {
  const ring = parseKeyRing(text);
  if (ring instanceof KeyRing) return ring;
  throw new Error(ring);
}

function secret(): string {
  return randomBytes(32).toString("hex");
}

function mac(key: Uint8Array, data: Uint8Array): Buffer {
  return createHmac("sha256", key).update(data).digest();
}

function hex(key: Uint8Array | undefined): string {
  return Buffer.from(key ?? []).toString("hex");
}
