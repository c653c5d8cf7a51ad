/** PRV-1, PRV-2: what a session keeps of its device, and that nothing depends on it. */
import { DEVICE_MAX_CHARS } from "latchkey";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeDevice, encodeDevice, labelOf, UNKNOWN_DEVICE } from "../apps/server/src/device.ts";
import { credential, login, profile } from "./support/http.ts";
import { startRedis, type TestRedis } from "./support/redis-server.ts";
import { startServer, type TestServer } from "./support/server.ts";

const FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)";

describe("PRV-1: a device as one text", () => {
  test.each([
    ["both", { where: "192.0.2.0/24", userAgent: FIREFOX }],
    ["IPv6", { where: "2001:db8:1::/48", userAgent: FIREFOX }],
    ["a pseudonym", { where: "0123456789ab", userAgent: FIREFOX }],
    ["no address", { where: undefined, userAgent: FIREFOX }],
    ["no User-Agent", { where: "192.0.2.0/24", userAgent: undefined }],
    ["nothing", { where: undefined, userAgent: undefined }],
  ])("%s comes back", (_name, device) => {
    expect(decodeDevice(encodeDevice(device))).toEqual(device);
  });

  test("is never longer than the library keeps, whatever the client says", () => {
    for (const userAgent of ["x".repeat(16_000), "💻".repeat(8_000), "\u0000".repeat(9_000)]) {
      const text = encodeDevice({ where: "2001:db8:1::/48", userAgent });
      expect(text.length).toBeLessThanOrEqual(DEVICE_MAX_CHARS);
      expect(text).not.toMatch(/\p{Surrogate}/u);
      expect(decodeDevice(text).where).toBe("2001:db8:1::/48");
    }
  });

  test("has no character that moves a cursor, hides or turns text, or ends a line", () => {
    const userAgent = "a\u001b[31m\r\nb\u0000c\u009bd\u202ee\u2028f\u200bg\u{e0041}h\ud800i";
    expect(encodeDevice({ where: undefined, userAgent })).toBe("- a [31m b c d e f g h i");
  });

  test("what others wrote is a User-Agent", () => {
    const device = { where: undefined, userAgent: "Firefox on Linux" };
    expect(decodeDevice("Firefox on Linux")).toEqual(device);
    expect(decodeDevice("")).toEqual({ where: undefined, userAgent: undefined });
    expect(decodeDevice("\u001b")).toEqual({ where: undefined, userAgent: undefined });
  });
});

describe("a device as people call it", () => {
  test.each([
    [FIREFOX, "Firefox on Linux"],
    [
      "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
      "Firefox on Windows",
    ],
    [
      `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${WEBKIT} Chrome/140.0.0.0 Safari/537.36`,
      "Chrome on Windows",
    ],
    [
      `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${WEBKIT} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0`,
      "Edge on Windows",
    ],
    [
      `Mozilla/5.0 (X11; Linux x86_64) ${WEBKIT} Chrome/140.0.0.0 Safari/537.36 OPR/120.0.0.0`,
      "Opera on Linux",
    ],
    [
      `Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) ${WEBKIT} Chrome/140.0.0.0 Safari/537.36`,
      "Chrome on ChromeOS",
    ],
    [
      `Mozilla/5.0 (Linux; Android 10; K) ${WEBKIT} Chrome/140.0.0.0 Mobile Safari/537.36`,
      "Chrome on Android",
    ],
    [
      `Mozilla/5.0 (Linux; Android 14; SM-S918B) ${WEBKIT} SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36`,
      "Samsung Internet on Android",
    ],
    [
      "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
      "Safari on macOS",
    ],
    [
      "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
      "Safari on iPhone",
    ],
    [
      "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0.0.0 Mobile/15E148 Safari/604.1",
      "Chrome on iPhone",
    ],
    [
      "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/140.0 Mobile/15E148 Safari/605.1.15",
      "Firefox on iPad",
    ],
    [
      "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
      "unknown program on Linux",
    ],
    ["Dalvik/2.1.0 (Linux; U; Android 14; SM-S918B)", "unknown program on Android"],
    ["curl/8.5.0", "curl"],
    ["PostmanRuntime/7.45.0", "Postman"],
    ["node", UNKNOWN_DEVICE],
    ["<script>alert(1)</script>", UNKNOWN_DEVICE],
    ["", UNKNOWN_DEVICE],
    [undefined, UNKNOWN_DEVICE],
  ])("%s: %s", (userAgent, label) => {
    expect(labelOf(userAgent)).toBe(label);
  });

  test("only the first characters count: more work is not done for more text", () => {
    expect(labelOf(`${"x".repeat(DEVICE_MAX_CHARS)}Firefox/140.0`)).toBe(UNKNOWN_DEVICE);
  });
});

describe("PRV-2: on a real server", () => {
  let redis: TestRedis;
  let server: TestServer;

  beforeAll(async () => {
    redis = await startRedis();
    server = await startServer({ env: { REDIS_URL: redis.url } });
  });

  afterAll(async () => {
    await server?.stop();
    await redis?.stop();
  });

  test("another User-Agent and another network do not log out", async () => {
    const sessionId = await login(server, "ada");
    expect((await profile(server, sessionId)).status).toBe(200);
    const headers = {
      ...credential(sessionId),
      "user-agent": "curl/8.5.0",
      "x-forwarded-for": "203.0.113.9",
    };
    expect((await fetch(`${server.url}/profile`, { headers })).status).toBe(200);
  });
});
