/**
 * PRX-1, PRV-1, THR-4: who sent a request, whatever anybody writes in `X-Forwarded-…`. The leftmost
 * entry, as `trust proxy: true` takes it, is whatever the client likes.
 */
import { describe, expect, test } from "vitest";
import { pseudonymizer } from "../apps/server/src/log/pseudonym.ts";
import { checkNetwork, clientOf, HOPS_MAX } from "../apps/server/src/proxy/client-address.ts";
import { parseAddress, throttleKeyOf } from "../apps/server/src/proxy/ip-address.ts";
import { type AddressKeeping, keptAddress } from "../apps/server/src/proxy/kept-address.ts";

const PROXIES = ["10.0.0.0/8", "192.0.2.7", "fd00::/8"];
const CLIENT = "203.0.113.9";

interface Sent {
  readonly peer?: string;
  readonly tls?: boolean;
  readonly trusted?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
}

function client({ peer = "10.0.0.1", tls = false, trusted = PROXIES, headers = {} }: Sent) {
  const socket = { remoteAddress: peer, ...(tls ? { encrypted: true } : {}) };
  const { address, proto, host } = clientOf(trusted)({ socket, headers });
  return { address: address?.text, proto, host };
}

const addressFor = (forwardedFor: string, peer?: string): string | undefined =>
  client({ ...(peer && { peer }), headers: { "x-forwarded-for": forwardedFor } }).address;

describe("PRX-1: without a trusted peer no forwarded header counts", () => {
  const headers = {
    host: "here.example",
    "x-forwarded-for": CLIENT,
    "x-forwarded-proto": "https",
    "x-forwarded-host": "evil.example",
  };

  test.each<[string, readonly string[], string]>([
    ["nobody is trusted by default", [], "10.0.0.1"],
    ["a peer outside of the networks", PROXIES, "198.51.100.1"],
    ["the neighbour of a single trusted address", PROXIES, "192.0.2.8"],
    ["an IPv6 peer outside", PROXIES, "fe00::1"],
  ])("%s", (_name, trusted, peer) => {
    const seen = client({ peer, trusted, headers });
    expect(seen).toEqual({ address: peer, proto: "http", host: "here.example" });
    expect(client({ peer, trusted, headers, tls: true }).proto).toBe("https");
  });

  test("from a trusted peer all three do", () => {
    const seen = client({ headers });
    expect(seen).toEqual({ address: CLIENT, proto: "https", host: "evil.example" });
  });
});

describe("PRX-1: the client is the rightmost that is no proxy of ours", () => {
  test.each<[string, string, string]>([
    ["one hop", CLIENT, CLIENT],
    ["what a client wrote itself, left of it", `1.1.1.1, ${CLIENT}`, CLIENT],
    ["our own address, as a client wrote it", `10.0.0.2, ${CLIENT}`, CLIENT],
    ["two hops", `1.1.1.1, ${CLIENT}, 10.9.9.9`, CLIENT],
    ["three hops, one of them IPv6", `${CLIENT},fd00::9,10.9.9.9`, CLIENT],
    ["blanks", `  ${CLIENT}\t,  10.9.9.9 `, CLIENT],
    ["a port", `${CLIENT}:4711`, CLIENT],
    ["brackets", "[2001:db8::1]", "2001:db8::1"],
    ["brackets and a port", "[2001:db8::1]:4711", "2001:db8::1"],
    ["upper case and zeros", "2001:0DB8:0000::0001", "2001:db8::1"],
    ["IPv4 in IPv6 clothes", `::ffff:${CLIENT}`, CLIENT],
    ["the same in hexadecimal", "::FFFF:cb00:7109", CLIENT],
    ["a trusted one in IPv6 clothes", `${CLIENT}, ::ffff:10.1.1.1`, CLIENT],
    ["a zone", "fe80::1%eth0", "fe80::1"],
    ["only proxies of ours", "10.0.0.3, 10.0.0.2", "10.0.0.3"],
  ])("%s", (_name, forwardedFor, expected) => {
    expect(addressFor(forwardedFor)).toBe(expected);
  });

  test.each([
    ["nothing", ""],
    ["a comma", ","],
    ["a word", "unknown"],
    ["an obfuscated name", "_hidden"],
    ["too large a number", "999.1.1.1"],
    ["leading zeros", "010.0.0.1"],
    ["half an address", "10.0.0"],
    ["brackets around IPv4 and more", "[1.1.1.1]x"],
    ["two colons too many", "1::2::3"],
    ["a NUL", "1.1.1.1\0"],
    ["quotes", '"1.1.1.1"'],
    ["an address after garbage", "1.1.1.1, unknown"],
    ["an address after nothing", "1.1.1.1, "],
    ["a port that is none", `${CLIENT}:http`],
    ["15 kB of one word", "1".repeat(15_000)],
    ["15 kB of blanks", `x${" ".repeat(15_000)}x`],
  ])("garbage from a proxy of ours, %s: the proxy is all that we know", (_name, forwardedFor) => {
    expect(addressFor(forwardedFor)).toBe("10.0.0.1");
    expect(addressFor(`${forwardedFor}, 10.0.0.2`)).toBe("10.0.0.2");
  });

  test("of 1000 entries no more are looked at than there can be proxies", () => {
    expect(addressFor(`${"1.1.1.1,".repeat(999)}${CLIENT}`)).toBe(CLIENT);
    const ours = Array.from({ length: 1_000 }, (_, i) => `10.1.${i >> 8}.${i & 255}`);
    // The rightmost is 999; so many steps to the left of it the walk ends.
    const last = 1_000 - HOPS_MAX;
    expect(addressFor(ours.join())).toBe(`10.1.${last >> 8}.${last & 255}`);
  });

  test("a peer in IPv6 clothes, as a socket for both families has it, is trusted all the same", () => {
    expect(addressFor(CLIENT, "::ffff:10.0.0.1")).toBe(CLIENT);
  });

  test("a connection that is closed already has no address", () => {
    expect(client({ peer: "" }).address).toBeUndefined();
  });
});

describe("PRX-1: scheme and host as the nearest proxy says", () => {
  test.each<[string, "http" | "https"]>([
    ["https", "https"],
    ["HTTPS", "https"],
    ["https, http", "http"],
    ["http,https", "https"],
    ["wss", "http"],
    ["https://", "http"],
    ["", "http"],
  ])("x-forwarded-proto %s is %s", (value, proto) => {
    expect(client({ headers: { "x-forwarded-proto": value } }).proto).toBe(proto);
  });

  test.each([
    ["app.example", "app.example"],
    ["app.example:8443", "app.example:8443"],
    ["[2001:db8::1]:443", "[2001:db8::1]:443"],
    ["evil.example, app.example", "app.example"],
    ["app.example/path", "here.example"],
    ["user@app.example", "here.example"],
    ["a b", "here.example"],
    ["", "here.example"],
    ["a".repeat(300), "here.example"],
  ])("x-forwarded-host %s is %s", (value, host) => {
    const headers = { host: "here.example", "x-forwarded-host": value };
    expect(client({ headers }).host).toBe(host);
  });
});

describe("PRX-1: what TRUST_PROXY may say", () => {
  test.each(["10.0.0.0/8", "192.0.2.1", "fd00::/8", "::1", "2001:db8::1/128", "0.0.0.0/1"])(
    "%s",
    (network) => {
      expect(checkNetwork(network)).toBeUndefined();
    },
  );

  test.each([
    ["true", /is no network/],
    ["*", /is no network/],
    ["", /is no network/],
    ["1", /is no network/],
    ["loopback", /is no network/],
    ["10.0.0.0/8/8", /is no network/],
    ["fe80::1%eth0", /is no network/],
    ["10.0.0.0/33", /1 to 32/],
    ["10.0.0.0/", /1 to 32/],
    ["10.0.0.0/-1", /1 to 32/],
    ["10.0.0.0/8.5", /1 to 32/],
    ["fd00::/129", /1 to 128/],
    ["0.0.0.0/0", /trusts everyone/],
    ["::/0", /trusts everyone/],
    ["::ffff:10.0.0.0/104", /as IPv4/],
  ])("not %s", (network, problem) => {
    expect(checkNetwork(network)).toMatch(problem);
    expect(() => clientOf([network])).toThrow(RangeError);
  });
});

describe("THR-4: what a throttle counts by has one spelling", () => {
  const keyOf = (text: string): string => {
    const address = parseAddress(text);
    if (address === undefined) throw new Error(`${text} is an address`);
    return throttleKeyOf(address);
  };

  test("20 addresses of one /64 are one client", () => {
    const keys = Array.from({ length: 20 }, (_, i) => keyOf(`2001:db8:1:2:${i}::${i + 1}`));
    expect(new Set(keys)).toEqual(new Set(["2001:db8:1:2::/64"]));
  });

  test("the next /64 is another", () => {
    expect(keyOf("2001:db8:1:3::1")).not.toBe(keyOf("2001:db8:1:2::1"));
  });

  test("two IPv4 addresses in IPv6 clothes are two, and each is the same as without", () => {
    expect(keyOf("::ffff:192.0.2.1")).toBe("192.0.2.1");
    expect(keyOf("::ffff:192.0.2.2")).toBe("192.0.2.2");
    expect(keyOf("192.0.2.1")).toBe("192.0.2.1");
  });

  test.each([
    ["2001:DB8::1", "2001:db8::/64"],
    ["2001:0db8:0:0:0:0:0:1", "2001:db8::/64"],
    ["2001:db8::0.0.0.1", "2001:db8::/64"],
    ["::", "::/64"],
    ["::1", "::/64"],
    ["1::", "1::/64"],
    ["0:0:0:1::", "0:0:0:1::/64"],
    ["fe80::1%eth0", "fe80::/64"],
    ["fe80::1%eth1", "fe80::/64"],
  ])("%s counts as %s", (text, key) => {
    expect(keyOf(text)).toBe(key);
  });

  test.each(["999.1.1.1", "01.2.3.4", "1.2.3", "0x7f.1", "::ffff:999.1.1.1", "[::1]", "::1/64"])(
    "%s is no address",
    (text) => {
      expect(parseAddress(text)).toBeUndefined();
    },
  );
});

describe("PRV-1: what is kept of an address", () => {
  const pseudonymize = pseudonymizer(new Uint8Array(32));
  const kept = (text: string, keeping: AddressKeeping): string | undefined =>
    keptAddress(parseAddress(text), keeping, pseudonymize);

  test.each<[string, AddressKeeping, string | undefined]>([
    ["192.0.2.77", "none", undefined],
    ["192.0.2.77", "truncated", "192.0.2.0/24"],
    ["192.0.2.77", "full", "192.0.2.77"],
    ["::ffff:192.0.2.77", "truncated", "192.0.2.0/24"],
    ["2001:db8:1:2:3:4:5:6", "none", undefined],
    ["2001:db8:1:2:3:4:5:6", "truncated", "2001:db8:1::/48"],
    ["2001:0:0:2:3:4:5:6", "truncated", "2001::/48"],
    ["2001:DB8:1:2:3:4:5:6", "full", "2001:db8:1:2:3:4:5:6"],
  ])("of %s, %s: %s", (text, keeping, expected) => {
    expect(kept(text, keeping)).toBe(expected);
  });

  test("hashed: tells addresses apart and says no more", () => {
    expect(kept("192.0.2.77", "hashed")).toMatch(/^[0-9a-f]{12}$/);
    expect(kept("192.0.2.77", "hashed")).toBe(kept("::ffff:192.0.2.77", "hashed"));
    expect(kept("192.0.2.78", "hashed")).not.toBe(kept("192.0.2.77", "hashed"));
    const other = pseudonymizer(new Uint8Array(32).fill(1));
    expect(other("address", "192.0.2.77")).not.toBe(kept("192.0.2.77", "hashed"));
  });

  test("a short key is refused: it could be guessed, and then every address", () => {
    expect(() => pseudonymizer(new Uint8Array(31))).toThrow(RangeError);
  });
});
