/** Names and addresses that nobody outside this machine reaches. */
import type { Target } from "latchkey/redis";

const LOOPBACK = /^(127(\.\d{1,3}){3}|\[?::1\]?|localhost)$/i;

/** By its spelling: nothing is looked up, so a name that leads here by DNS is not loopback. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}

/** Whether every server that a Redis URL names is on this machine. */
export function isLocalRedis({ endpoints }: Target): boolean {
  return endpoints.every(({ host }) => isLoopback(host));
}
