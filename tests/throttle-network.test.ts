/** Addresses to networks: one bucket for one sender, however the address is written. */
import { describe, expect, test } from "vitest";
import { networkOf } from "../apps/server/src/throttle/network.ts";

describe("THR-4: one network", () => {
  test.each([
    [["192.0.2.1", "::ffff:192.0.2.1", "::FFFF:c000:201", "0:0:0:0:0:ffff:192.0.2.1"]],
    [["2001:db8:1:2::", "2001:DB8:1:2::1", "2001:0db8:0001:0002:ffff:ffff:ffff:ffff"]],
    [["2001:db8::1", "2001:db8:0:0:1::", "2001:db8::192.0.2.1"]],
    [["::1", "::", "0:0:0:0:0:0:0:1", "::192.0.2.1"]],
    [["fe80::1", "fe80::1%eth0", "fe80::2%1"]],
    [["1:2:3:4::8", "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:8"]],
  ])("%j", (addresses) => {
    const networks = new Set(addresses.map(networkOf));
    expect(networks.size).toBe(1);
    expect([...networks][0]).toMatch(/^(\d+(\.\d+){3}|[0-9a-f:]+::\/64|::\/64)$/);
  });

  test("twenty addresses of one /64", () => {
    const addresses = Array.from({ length: 20 }, (_, i) => `2001:db8:0:1::${i.toString(16)}`);
    expect(new Set(addresses.map(networkOf))).toEqual(new Set(["2001:db8:0:1::/64"]));
  });
});

test("THR-4: two networks: mapped addresses are not all one, and neighbours are not each other", () => {
  const addresses = [
    ...["::ffff:192.0.2.1", "::ffff:192.0.2.2", "192.0.2.3", "::192.0.2.1", "::fffe:192.0.2.1"],
    ...["2001:db8:0:1::", "2001:db8:0:2::", "2001:db8:1:1::"],
  ];
  // Two of them are in the /64 of zeros: neither is a mapped address.
  expect(new Set(addresses.map(networkOf)).size).toBe(addresses.length - 1);
  expect(networkOf("::ffff:192.0.2.1")).toBe("192.0.2.1");
});

test.each([
  ["999.1.1.1"],
  ["1.2.3"],
  ["0x7f.0.0.1"],
  ["01.2.3.4"],
  ["1.2.3.4:80"],
  ["[::1]"],
  ["::1::"],
  ["1:2:3:4:5:6:7:8:9"],
  ["g::"],
  ["::ffff:999.0.0.1"],
  ["192.0.2.1%eth0"],
  ["%eth0"],
  ["localhost"],
  ["unknown"],
  [""],
  [" 127.0.0.1"],
  ["127.0.0.1, 10.0.0.1"],
])("THR-4: %j is no address", (text) => {
  expect(networkOf(text)).toBeUndefined();
});
