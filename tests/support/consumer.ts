/** A project of somebody else: our package as npm packs it, and what it would have installed besides. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "./server.ts";

const run = promisify(execFile);
/** As a user of all adapters would have them; found through links, so their own needs are met. */
const INSTALLED = [
  ...["@types/express", "@types/koa", "@types/node", "@hono/node-server", "express", "fastify"],
  ...["hono", "koa", "redis", "zod"],
];

export interface Consumer {
  readonly dir: string;
  /** The tarball that was unpacked. */
  readonly tarball: string;
  write(name: string, text: string): Promise<void>;
  /** Runs Node in the project; what it printed. Rejects with it if it fails. */
  node(...args: readonly string[]): Promise<string>;
  remove(): Promise<void>;
}

export async function openConsumer(): Promise<Consumer> {
  const dir = await mkdtemp(join(tmpdir(), "latchkey-consumer-"));
  const pack = ["pack", "--json", "-w", "packages/latchkey", "--pack-destination", dir];
  // Else some versions of npm print the script that builds the package before the JSON.
  const { stdout } = await run("npm", [...pack, "--foreground-scripts=false"], { cwd: ROOT });
  const [{ filename }] = JSON.parse(stdout);
  const tarball = join(dir, filename);
  const own = join(dir, "node_modules/latchkey");
  await mkdir(own, { recursive: true });
  await run("tar", ["-xzf", tarball, "-C", own, "--strip-components=1"]);
  for (const name of INSTALLED) {
    const place = join(dir, "node_modules", name);
    await mkdir(dirname(place), { recursive: true });
    await symlink(join(ROOT, "node_modules", name), place);
  }
  const write = (name: string, text: string): Promise<void> => writeFile(join(dir, name), text);
  await write("package.json", JSON.stringify({ name: "consumer", type: "module" }));
  return {
    ...{ dir, tarball, write },
    node: async (...args) => {
      try {
        return (await run(process.execPath, args, { cwd: dir })).stdout;
      } catch (error) {
        const { stdout: out = "", stderr = "" } = Object(error);
        throw new Error(`${args.join(" ")}:\n${out}${stderr}`);
      }
    },
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}
