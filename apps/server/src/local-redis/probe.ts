/**
 * What answers on a port of this machine? Speaks a few lines of RESP by hand over one socket, with
 * one deadline for all of it, so that no stranger on the port can hold up the start. It asks for
 * the ability that we need (`#!lua` scripts, Redis 7.0 and newer) instead of comparing versions.
 */
import { connect } from "node:net";
import { alarm } from "./deadline.ts";
import { oneLine } from "./local-redis-error.ts";

export type Finding =
  /** Nobody listens. */
  | { readonly kind: "nothing" }
  /** A Redis that reads its data from disk and will be there in a moment. */
  | { readonly kind: "loading" }
  | { readonly kind: "usable"; readonly version: string; readonly pid: number | undefined }
  /** A Redis that talks only to those who know the password. */
  | { readonly kind: "password" }
  | { readonly kind: "unusable"; readonly why: string; readonly pid: number | undefined };

/** Time for connecting and all answers. A local Redis needs about 2 ms. */
export const PROBE_LIMIT_MS = 500;
/** `INFO server` has less than 2 KiB; who sends more than this is no Redis. */
const ANSWER_MAX_BYTES = 64 * 1024;

const NOT_REDIS = "something that is not Redis";
const QUESTIONS = [
  ["PING"],
  // A replica or a server that cannot write to its disk refuses this too, and we need to write.
  ["EVAL", "#!lua\nreturn 1", "0"],
  ["INFO", "server"],
];

export async function probeRedis(port: number): Promise<Finding> {
  const heard = await ask(port);
  if (heard === "refused") return { kind: "nothing" };
  if (typeof heard === "string") return { kind: "unusable", why: heard, pid: undefined };
  return judge(heard);
}

/** Why a finding is not used, or how it is called when it is; one short phrase. */
export function describeFinding(finding: Finding): string {
  switch (finding.kind) {
    case "nothing":
      return "nothing listens there";
    case "loading":
      return "a Redis that is still loading its data";
    case "usable":
      return finding.version;
    case "password":
      return "a Redis that wants a password";
    case "unusable":
      return finding.why;
  }
}

function judge(replies: readonly string[]): Finding {
  const [ping = "", script = "", infoReply = ""] = replies;
  const info = infoReply.startsWith("$") ? infoReply : "";
  const pid = Number(infoField(info, "process_id") ?? Number.NaN) || undefined;
  const unusable = (why: string): Finding => ({ kind: "unusable", why, pid });
  if (/^-(NOAUTH|NOPERM|WRONGPASS)/.test(ping)) return { kind: "password" };
  if (ping.startsWith("-LOADING") || script.startsWith("-LOADING")) return { kind: "loading" };
  if (ping.startsWith("-")) return unusable(`a Redis that says: ${oneLine(ping.slice(1))}`);
  if (ping !== "+PONG") return unusable(NOT_REDIS);
  const version = versionIn(info);
  if (/^-ERR Error compiling script/.test(script)) {
    return unusable(`${version}, too old: it cannot run #!lua scripts (Redis 7.0 or newer can)`);
  }
  if (script !== ":1") return unusable(`${version}, which says: ${oneLine(script.slice(1))}`);
  if (infoField(info, "redis_mode") === "cluster") {
    return unusable(`${version}, a node of a cluster (use REDIS_URL=redis+cluster://…)`);
  }
  return { kind: "usable", version, pid };
}

function versionIn(info: string): string {
  const valkey = infoField(info, "valkey_version");
  if (valkey !== undefined) return `Valkey ${valkey}`;
  const redis = infoField(info, "redis_version");
  return redis === undefined ? "a Redis" : `Redis ${redis}`;
}

function infoField(info: string, name: string): string | undefined {
  const value = new RegExp(`^${name}:(.*)$`, "m").exec(info)?.[1];
  return value === undefined ? undefined : oneLine(value);
}

/** The replies, each with its RESP type in front; or in words why there are none. */
async function ask(port: number): Promise<readonly string[] | string> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    let heard = "";
    const finish = (outcome: readonly string[] | string): void => {
      disarm();
      socket.destroy();
      resolve(outcome);
    };
    const disarm = alarm(PROBE_LIMIT_MS, () =>
      finish(`something that does not answer a PING within ${PROBE_LIMIT_MS} ms`),
    );
    socket.on("error", (error: NodeJS.ErrnoException) =>
      finish(error.code === "ECONNREFUSED" ? "refused" : `something that fails: ${error.message}`),
    );
    socket.on("close", () => finish(whatClosed(heard)));
    socket.on("connect", () => socket.write(QUESTIONS.map(encode).join("")));
    // latin1 keeps one character per byte, which is what RESP lengths count.
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => {
      heard += chunk;
      const replies = splitReplies(heard);
      if (replies !== undefined) finish(replies);
      else if (heard.length > ANSWER_MAX_BYTES) finish(NOT_REDIS);
    });
  });
}

function encode(command: readonly string[]): string {
  const parts = command.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`);
  return `*${command.length}\r\n${parts.join("")}`;
}

/** A Redis in protected mode says one error line and hangs up. */
function whatClosed(heard: string): string {
  if (heard.startsWith("-")) return `a Redis that says: ${oneLine(heard.slice(1))}`;
  return "something that hangs up on a PING";
}

/** All replies when they have arrived, `undefined` while some are missing. */
function splitReplies(heard: string): readonly string[] | typeof NOT_REDIS | undefined {
  const replies: string[] = [];
  let rest = heard;
  while (replies.length < QUESTIONS.length) {
    if (rest !== "" && !/^[-+:$]/.test(rest)) return NOT_REDIS;
    const end = rest.indexOf("\r\n");
    if (end < 0) return undefined;
    let next = end + 2;
    let reply = rest.slice(0, end);
    if (reply.startsWith("$")) {
      next += Number(reply.slice(1)) + 2;
      if (!Number.isInteger(next)) return NOT_REDIS;
      if (rest.length < next) return undefined;
      reply = `$${rest.slice(end + 2, next - 2)}`;
    }
    replies.push(reply);
    rest = rest.slice(next);
  }
  return replies;
}
