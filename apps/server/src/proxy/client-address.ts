/**
 * Who sent a request, behind proxies or without. `X-Forwarded-…` is what anybody can write, so it
 * counts only if the peer of the connection is a proxy that the operator has named (TRUST_PROXY).
 * By default nobody is.
 */
import type { IncomingMessage } from "node:http";
import { BlockList } from "node:net";
import { type IpAddress, parseAddress } from "./ip-address.ts";

export interface Client {
  /** Undefined: the connection is closed already, or no TCP. */
  readonly address: IpAddress | undefined;
  /** How the client speaks with the outermost server that we know of. */
  readonly proto: "http" | "https";
  /** The host that the client asked for; undefined if it named none. */
  readonly host: string | undefined;
}

/** What is looked at of a request. */
export type Hop = Pick<IncomingMessage, "headers"> & {
  readonly socket: Pick<IncomingMessage["socket"], "remoteAddress">;
};

/** Proxies in a row. A longer chain is a loop, or somebody's idea of a joke. */
export const HOPS_MAX = 16;
/** A domain name has 253 characters at most; a port six. */
const HOST = /^[\w.:[\]-]{1,260}$/;

/**
 * @param trusted networks (`10.0.0.0/8`, `fd00::/8`) and single addresses of proxies; none: no
 * forwarded header counts. Throws a `RangeError` that names the bad one: see `checkNetwork`.
 */
export function clientOf(trusted: readonly string[]): (request: Hop) => Client {
  const proxies = new BlockList();
  for (const network of trusted) addNetwork(proxies, network);
  const isTrusted = ({ text, family }: IpAddress): boolean => proxies.check(text, family);
  return (request) => {
    const { socket, headers } = request;
    const peer = parseAddress(socket.remoteAddress ?? "");
    const proto = "encrypted" in socket ? "https" : "http";
    const host = headers.host;
    if (peer === undefined || !isTrusted(peer)) return { address: peer, proto, host };
    return {
      address: rightmostUntrusted(peer, textOf(headers["x-forwarded-for"]), isTrusted),
      proto: forwardedProto(textOf(headers["x-forwarded-proto"])) ?? proto,
      host: forwardedHost(textOf(headers["x-forwarded-host"])) ?? host,
    };
  };
}

/** What is wrong with a network of TRUST_PROXY, in words that follow its name; undefined: nothing. */
export function checkNetwork(network: string): string | undefined {
  const parsed = parseNetwork(network);
  return typeof parsed === "string" ? parsed : undefined;
}

/**
 * Each proxy appends whom it heard, so the list is read from the right: the first that is no proxy
 * of ours is the client, and everything left of it is only its word. Where a proxy of ours has
 * written no address, we know no more than that proxy.
 */
function rightmostUntrusted(
  peer: IpAddress,
  forwardedFor: string,
  isTrusted: (address: IpAddress) => boolean,
): IpAddress {
  let client = peer;
  let end = forwardedFor.length;
  for (let hops = 0; hops < HOPS_MAX && end > 0 && isTrusted(client); hops += 1) {
    const comma = forwardedFor.lastIndexOf(",", end - 1);
    const address = parseHop(forwardedFor.slice(comma + 1, end));
    if (address === undefined) return client;
    client = address;
    end = comma;
  }
  return client;
}

/** Some proxies append the port: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function parseHop(entry: string): IpAddress | undefined {
  const text = entry.trim();
  const [, inBrackets] = /^\[([^[\]]{2,64})\](?::\d{1,5})?$/.exec(text) ?? [];
  const [, beforePort] = /^([\d.]{7,15}):\d{1,5}$/.exec(text) ?? [];
  return parseAddress(inBrackets ?? beforePort ?? text);
}

/** Of a list the last: what the nearest proxy says; before it anybody may have written. */
function lastOf(list: string): string {
  return list.slice(list.lastIndexOf(",") + 1).trim();
}

function forwardedProto(list: string): "http" | "https" | undefined {
  const proto = lastOf(list).toLowerCase();
  return proto === "http" || proto === "https" ? proto : undefined;
}

function forwardedHost(list: string): string | undefined {
  const host = lastOf(list);
  return HOST.test(host) ? host : undefined;
}

/** Node joins the lines of a header that came more than once. */
function textOf(header: string | string[] | undefined): string {
  return Array.isArray(header) ? header.join() : (header ?? "");
}

interface Network {
  readonly address: IpAddress;
  readonly bits: number;
}

function addNetwork(list: BlockList, network: string): void {
  const parsed = parseNetwork(network);
  if (typeof parsed === "string") throw new RangeError(`${network} ${parsed}`);
  const { address, bits } = parsed;
  list.addSubnet(address.text, bits, address.family);
}

function parseNetwork(network: string): Network | string {
  const [text = "", length, ...more] = network.split("/");
  const address = more.length === 0 ? parseAddress(text) : undefined;
  if (address === undefined || text.includes("%")) {
    return "is no network: write 10.0.0.0/8, 192.0.2.1 or fd00::/8";
  }
  // ::ffff:10.0.0.0/104 would have to be counted from another end.
  if (address.family === "ipv4" && text.includes(":")) return "must be written as IPv4";
  const whole = address.family === "ipv4" ? 32 : 128;
  if (length === undefined) return { address, bits: whole };
  const bits = /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN;
  if (!(bits <= whole)) return `must end in a prefix length of 1 to ${whole}`;
  // Whoever trusts everyone lets every client choose its own address.
  if (bits === 0) return "trusts everyone: name the networks of your proxies";
  return { address, bits };
}
