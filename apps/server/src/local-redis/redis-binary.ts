/** Finds a Redis or Valkey server on this machine, and installs one when it may and there is none. */
import { mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { basename, resolve } from "node:path";
import { findOnPath, runCommand } from "./command.ts";
import { LocalRedisError } from "./local-redis-error.ts";
import { commandToType, installRedis } from "./package-manager.ts";

export interface RedisBinary {
  readonly path: string;
  /** `redis-server 7.0.15` */
  readonly name: string;
}

export interface RedisBinaryOptions {
  readonly allowInstall: boolean;
  readonly say: (line: string) => void;
  /** Where a link to the binary may be put; made if missing. */
  readonly linkDir: string;
}

const VERSION_LIMIT_MS = 5_000;
const SERVERS = ["redis-server", "valkey-server"] as const;

/** Rejects with a LocalRedisError that names the command to type when there is none to be had. */
export async function ensureRedisBinary(options: RedisBinaryOptions): Promise<RedisBinary> {
  const { allowInstall, say, linkDir } = options;
  const found = await findRedisBinary(say, linkDir);
  if (found !== undefined) return found;
  say("no redis-server and no valkey-server on this machine");
  if (!allowInstall) say("not installing one: --no-install forbids it");
  else if (await installRedis(say)) {
    const installed = await findRedisBinary(say, linkDir);
    if (installed !== undefined) return installed;
    say("what was installed holds no server that runs");
  }
  throw new LocalRedisError(
    "no-redis",
    `no Redis. Set REDIS_URL, or get one with: ${commandToType()}`,
  );
}

async function findRedisBinary(
  say: (line: string) => void,
  linkDir: string,
): Promise<RedisBinary | undefined> {
  for (const candidate of [plainServer, serverInTools]) {
    for (const server of SERVERS) {
      const path = candidate(server, linkDir);
      if (path === undefined) continue;
      const binary = await verified(path);
      if (binary !== undefined) {
        say(`found ${binary.name} at ${path}`);
        return binary;
      }
      say(`${path} is no server that runs here; not used`);
    }
  }
  return undefined;
}

function plainServer(server: string): string | undefined {
  return findOnPath(server);
}

/**
 * The package redis-tools of Debian and Ubuntu holds the whole server under the name of one of its
 * tools: they are one binary, which looks at its own name. So a link with the name makes the server.
 */
function serverInTools(server: string, linkDir: string): string | undefined {
  const tool = findOnPath(server.replace("-server", "-check-rdb"));
  if (tool === undefined) return undefined;
  mkdirSync(linkDir, { recursive: true });
  const link = resolve(linkDir, server);
  // Made aside and moved: a link of an earlier run is replaced, and two starts do not collide.
  const fresh = `${link}.${process.pid}`;
  rmSync(fresh, { force: true });
  symlinkSync(tool, fresh);
  renameSync(fresh, link);
  return link;
}

async function verified(path: string): Promise<RedisBinary | undefined> {
  const { ok, output } = await runCommand([path, "--version"], VERSION_LIMIT_MS);
  const version = /^\w+ server v=(\S+)/m.exec(output)?.[1];
  return ok && version !== undefined ? { path, name: `${basename(path)} ${version}` } : undefined;
}
