/**
 * IP addresses, one spelling each. A throttle that counts by text is passed by writing the same
 * address in another way: upper case, zeros, `::ffff:`, a zone.
 */
import { isIPv4, isIPv6, SocketAddress } from "node:net";

export interface IpAddress {
  /** An IPv4 address in IPv6 clothes (`::ffff:192.0.2.1`) is "ipv4". */
  readonly family: "ipv4" | "ipv6";
  /** As `inet_ntop` writes it: lower case, the longest run of zeros left out, no zone. */
  readonly text: string;
}

/** An IPv6 address with dots in it has 45 characters; a zone is the name of an interface. */
const TEXT_MAX_CHARS = 64;
/** ::ffff:0:0/96 */
const MAPPED = /^0,0,0,0,0,65535,/;

/** Undefined for anything but a bare address: no port, no brackets, no leading zeros, no name. */
export function parseAddress(text: string): IpAddress | undefined {
  if (text.length > TEXT_MAX_CHARS) return undefined;
  if (isIPv4(text)) return { family: "ipv4", text };
  if (!isIPv6(text)) return undefined;
  // A zone says which of our own interfaces; who may choose it freely would be many clients.
  const [address = ""] = text.split("%");
  const groups = groupsOf(address);
  if (MAPPED.test(groups.join())) return { family: "ipv4", text: dotted(groups.slice(-2)) };
  return { family: "ipv6", text: new SocketAddress({ address, family: "ipv6" }).address };
}

/** How many leading bits of an address a network keeps. */
export interface PrefixLengths {
  readonly ipv4: 24 | 32;
  readonly ipv6: 48 | 64;
}

/** The network of an address: `192.0.2.0/24`, `2001:db8:1::/48`; of a whole IPv4 address itself. */
export function networkOf({ family, text }: IpAddress, lengths: PrefixLengths): string {
  if (family === "ipv4") {
    return lengths.ipv4 === 32 ? text : `${text.split(".").slice(0, 3).join(".")}.0/24`;
  }
  const kept = groupsOf(text).slice(0, lengths.ipv6 / 16);
  const address = `${kept.map((group) => group.toString(16)).join(":")}::`;
  return `${new SocketAddress({ address, family: "ipv6" }).address}/${lengths.ipv6}`;
}

/**
 * What a throttle counts by: a whole IPv4 address; of IPv6 the /64, because that is what one
 * subscriber gets, and in it there are 2^64 addresses to choose from.
 */
export function throttleKeyOf(address: IpAddress): string {
  return networkOf(address, { ipv4: 32, ipv6: 64 });
}

/** The eight 16-bit groups of a valid IPv6 address without zone. */
function groupsOf(address: string): number[] {
  const [head = [], tail] = address.split("::").map(numbersOf);
  if (tail === undefined) return [...head];
  const zeros = new Array<number>(8 - head.length - tail.length).fill(0);
  return [...head, ...zeros, ...tail];
}

function numbersOf(part: string): number[] {
  if (part === "") return [];
  return part.split(":").flatMap((group) => {
    if (!group.includes(".")) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}

function dotted(groups: readonly number[]): string {
  return groups.flatMap((group) => [group >> 8, group & 255]).join(".");
}
