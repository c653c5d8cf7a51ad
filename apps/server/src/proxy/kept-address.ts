/** How much of an address is kept with a session and in the log: as little as does the job. */
import type { Pseudonymize } from "../log/pseudonym.ts";
import { type IpAddress, networkOf } from "./ip-address.ts";

/**
 * `none`; `truncated`: the /24 of IPv4, the /48 of IPv6; `hashed`: tells one address from another and
 * says no more; `full`.
 */
export type AddressKeeping = "none" | "truncated" | "hashed" | "full";

export function keptAddress(
  address: IpAddress | undefined,
  keeping: AddressKeeping,
  pseudonymize: Pseudonymize,
): string | undefined {
  if (address === undefined) return undefined;
  switch (keeping) {
    case "none":
      return undefined;
    case "truncated":
      return networkOf(address, { ipv4: 24, ipv6: 48 });
    case "hashed":
      return pseudonymize("address", address.text);
    case "full":
      return address.text;
  }
}
