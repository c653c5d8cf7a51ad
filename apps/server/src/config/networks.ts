/** Which proxies are believed (TRUST_PROXY): addresses and networks, no wildcards. */
import { isIP, isIPv4 } from "node:net";

/** 10.0.0.0/8 is the largest private network. A shorter prefix is a part of the internet. */
const IPV4_PREFIX_MIN = 8;
/** Networks of one's own are /48 (RFC 4193 §3.1); this is generous. */
const IPV6_PREFIX_MIN = 16;
/** Each is looked at with each request. */
const NETWORKS_MAX = 64;

/** The parts of a comma-separated list. */
export function splitNetworks(list: string): readonly string[] {
  return list.split(",").map((part) => part.trim());
}

/** What is wrong with a list of proxies; undefined: nothing. */
export function networksProblem(list: string): string | undefined {
  const networks = splitNetworks(list);
  if (networks.length > NETWORKS_MAX) return `must have at most ${NETWORKS_MAX} entries`;
  const isEvery = networks.some((network) => /^(true|all|\*|\d+)$/i.test(network));
  if (isEvery) return "must name the proxies: whoever is believed can claim any address";
  if (!networks.every(isNetwork)) {
    return "must be a comma-separated list of addresses and networks, such as 10.1.2.0/24";
  }
  return networks.every(isNarrow)
    ? undefined
    : `must be narrower: /${IPV4_PREFIX_MIN} (IPv6: /${IPV6_PREFIX_MIN}) is the widest that one operator's proxies can need`;
}

function isNetwork(network: string): boolean {
  const [address = "", prefix = "0", ...more] = network.split("/");
  // An IPv4 network in IPv6 clothes: the prefix would count from elsewhere.
  if (isIP(address) === 0 || /^::ffff:/i.test(address) || address.includes("%")) return false;
  return (
    more.length === 0 &&
    /^\d{1,3}$/.test(prefix) &&
    Number(prefix) <= (isIPv4(address) ? 32 : 128) &&
    !network.endsWith("/")
  );
}

function isNarrow(network: string): boolean {
  const [address = "", prefix] = network.split("/");
  if (prefix === undefined) return true;
  return Number(prefix) >= (isIPv4(address) ? IPV4_PREFIX_MIN : IPV6_PREFIX_MIN);
}
