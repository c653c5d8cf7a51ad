/** Where a request comes from, as far as one sender can be told from another. */
import { isIPv4, isIPv6 } from "node:net";

/** `4:` and the four bytes of an IPv4 address, or `6:` and the first eight of an IPv6 one, in hex. */
export type Network = string & { readonly __brand: "Network" };

const GROUPS = 8;
/** A provider gives a customer 2⁶⁴ addresses or more: a bucket for each would be none at all. */
const NETWORK_GROUPS = 4;

/**
 * The network of an address: the whole address for IPv4, its /64 for IPv6. All spellings of one address
 * are one network, and `::ffff:192.0.2.1` is 192.0.2.1. Undefined for what is no address.
 *
 * @param address of the peer, or of the client that a trusted proxy names
 */
export function networkOf(address: string): Network | undefined {
  if (isIPv4(address)) return ipv4(address.split(".").map(Number));
  // A zone (`fe80::1%eth0`) names an interface of this machine.
  const [plain = ""] = address.split("%");
  if (!isIPv6(plain)) return undefined;
  const groups = groupsOf(plain);
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (isMapped) return ipv4(groups.slice(6).flatMap((group) => [group >> 8, group & 0xff]));
  return `6:${hex(groups.slice(0, NETWORK_GROUPS), 4)}` as Network;
}

/** The eight 16-bit groups of a valid IPv6 address. */
function groupsOf(address: string): readonly number[] {
  const [head = [], tail = []] = address.split("::").map(someGroups);
  const zeros = Array<number>(GROUPS - head.length - tail.length).fill(0);
  return [...head, ...zeros, ...tail];
}

/** What stands on one side of `::`; the last may be written as an IPv4 address. */
function someGroups(text: string): readonly number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (!group.includes(".")) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}

function ipv4(bytes: readonly number[]): Network {
  return `4:${hex(bytes, 2)}` as Network;
}

function hex(numbers: readonly number[], digits: number): string {
  return numbers.map((number) => number.toString(16).padStart(digits, "0")).join("");
}
