/** Where Redis is, as a URL says it. */
import { SessionError } from "../core/errors.ts";
import { invalidOption } from "../core/options.ts";
import type { Topology } from "./driver.ts";
import type { Endpoint } from "./link.ts";

export interface Target {
  readonly topology: Topology;
  readonly tls: boolean;
  /** The server; or some nodes of the Cluster, or Sentinels, by which it is found. */
  readonly endpoints: readonly Endpoint[];
  /** What the Sentinels call the primary; "" without them. */
  readonly master: string;
  readonly username: string;
  readonly password: string;
  readonly database: number;
}

const FORMS =
  "redis://host:port, rediss://host:port, redis+sentinel://host:port,host:port/master or redis+cluster://host:port,host:port";
const PORTS: Readonly<Record<Topology, number>> = { single: 6379, cluster: 6379, sentinel: 26_379 };

/**
 * `redis://`, `rediss://` (TLS), `redis+sentinel://host:port,host:port/master` or
 * `redis+cluster://host:port,host:port`, with `user:password@` before the first host that has any and
 * `/database` at the end. Throws `invalid-option`.
 */
export function parseRedisUrl(url: string): Target {
  const [, scheme = "", list = "", path = ""] =
    /^(rediss?|redis\+sentinel|redis\+cluster):\/\/([^/?#]+)((?:\/[^/?#]+)*)\/?$/.exec(
      String(url),
    ) ?? [];
  const topology = scheme.includes("+") ? (scheme.slice("redis+".length) as Topology) : "single";
  const words = path.split("/").slice(1).map(decode);
  const master = topology === "sentinel" ? (words.shift() ?? "") : "";
  const hosts = list.split(",").map((host) => parseHost(host, PORTS[topology]));
  const database = topology === "cluster" && words.length > 0 ? undefined : wholeNumber(words);
  if ((topology === "sentinel" && master === "") || database === undefined) throw badUrl();
  if (topology === "single" && hosts.length > 1) throw badUrl();
  const { username = "", password = "" } = hosts.find((host) => host.password !== "") ?? {};
  const endpoints = hosts.map(({ host, port }) => ({ host, port }));
  return { topology, tls: scheme === "rediss", endpoints, master, username, password, database };
}

function parseHost(
  text: string,
  defaultPort: number,
): Endpoint & { readonly username: string; readonly password: string } {
  if (!URL.canParse(`redis://${text}`)) throw badUrl();
  const { hostname, port, username, password } = new URL(`redis://${text}`);
  if (hostname === "") throw badUrl();
  if (username !== "" && password === "") {
    throw invalidOption(
      "url",
      "has a user without a password: it would be the user `default` instead",
    );
  }
  return {
    // An IPv6 address stands in brackets in a URL, and in them alone.
    host: hostname.replace(/^\[(.*)\]$/, "$1"),
    port: port === "" ? defaultPort : Number(port),
    username: decode(username),
    password: decode(password),
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw badUrl();
  }
}

/** 0 if there is no word, undefined if it is no number or not the last one. */
function wholeNumber([word = "0", ...more]: readonly string[]): number | undefined {
  return /^\d{1,5}$/.test(word) && more.length === 0 ? Number(word) : undefined;
}

function badUrl(): SessionError {
  return new SessionError("invalid-option", `url must be ${FORMS}`, { field: "url" });
}
