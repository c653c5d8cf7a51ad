/** Looking at, and moving in time, the keys of one prefix behind the store's back. */
import type { Resp } from "./resp.ts";

const PAGE = "1000";

export interface Keyspace {
  /** Every key of the prefix, on all nodes. */
  keys(): Promise<string[]>;
  /** Makes `ms` pass: moves every deadline of the prefix back by that much. */
  elapse(ms: number): Promise<void>;
}

/** @param nodes one connection per primary */
export function keyspace(nodes: readonly Resp[], prefix: string): Keyspace {
  return {
    async keys() {
      const found = await Promise.all(nodes.map((node) => keysOn(node, prefix)));
      return found.flat();
    },
    async elapse(ms) {
      for (const node of nodes) {
        for (const key of await keysOn(node, prefix)) await moveBack(node, key, ms);
      }
    },
  };
}

async function keysOn(node: Resp, prefix: string): Promise<string[]> {
  const keys = new Set<string>();
  for (const pattern of [`${prefix}*`, `{${prefix}*`]) {
    let cursor = "0";
    do {
      const reply = await node.command("SCAN", cursor, "MATCH", pattern, "COUNT", PAGE);
      const [next, page] = Array.isArray(reply) ? reply : [];
      for (const key of Array.isArray(page) ? page : []) keys.add(String(key));
      cursor = String(next ?? "0");
    } while (cursor !== "0");
  }
  return [...keys];
}

/** The instants inside the value first, the key's own deadline last: that may end it. */
async function moveBack(node: Resp, key: string, ms: number): Promise<void> {
  const type = await node.command("TYPE", key);
  if (type === "hash") {
    // The instants of a record, and its generation: see scripts/include/session.lua.
    for (const field of ["c", "l", "a", "g", "t", "q"]) {
      const instant = await node.command("HGET", key, field);
      if (instant !== null) await node.command("HINCRBY", key, field, String(-ms));
    }
  }
  if (type === "zset") {
    const members = await node.command("ZRANGE", key, "0", "-1");
    for (const member of Array.isArray(members) ? members : []) {
      // Of a barrier: a length of time, no instant.
      if (member === "") continue;
      await node.command("ZINCRBY", key, String(-ms), String(member));
    }
  }
  if (type === "string" && key.endsWith(":next")) {
    const [ends, ...rest] = String(await node.command("GET", key)).split(" ");
    // Negative, it is when there ceased to be a grace. A seed stands alone.
    const moved = Number(ends) < 0 ? Number(ends) + ms : Number(ends) - ms;
    if (rest.length > 0) await node.command("SET", key, [moved, ...rest].join(" "), "KEEPTTL");
  }
  const deadline = Number(await node.command("PEXPIRETIME", key));
  if (deadline > 0) await node.command("PEXPIREAT", key, String(deadline - ms));
}
