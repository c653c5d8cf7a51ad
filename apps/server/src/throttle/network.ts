/** Where a request comes from, as far as one sender can be told from another. */
import { parseAddress, throttleKeyOf } from "../proxy/ip-address.ts";

/** An IPv4 address, or the /64 of an IPv6 one, in the one spelling that it has. */
export type Network = string & { readonly __brand: "Network" };

/**
 * The network of an address: the whole address for IPv4, its /64 for IPv6. All spellings of one address
 * are one network, and `::ffff:192.0.2.1` is 192.0.2.1. Undefined for what is no address.
 *
 * @param address of the peer, or of the client that a trusted proxy names
 */
export function networkOf(address: string): Network | undefined {
  const parsed = parseAddress(address);
  return parsed && (throttleKeyOf(parsed) as Network);
}
