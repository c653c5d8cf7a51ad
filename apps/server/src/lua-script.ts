/** The auth server's own Lua: constants in the files that send them, each with its SHA-1. */
import { createHash } from "node:crypto";
import type { RedisDriver, Script } from "latchkey/redis";

/** What is needed of a Redis to run them. */
export type ScriptRunner = Pick<RedisDriver, "script">;

/**
 * For `RedisDriver.script`. The text begins with `#!lua`, says what KEYS, ARGV and REPLY are, and
 * replies with `KEYS[1]` first, so that a reply to another request is not taken for its own.
 */
export function luaScript(lua: string): Script {
  return { lua, sha1: createHash("sha1").update(lua).digest("hex") };
}

/** For a reply that is none of those in the script's header: our own mistake. */
export function unexpected(reply: readonly unknown[]): Error {
  return new Error(`a script replied with ${reply.length} values that mean nothing to us`);
}
