/**
 * The machine's package manager: which one there is, whether it may work without a person, and the
 * one command that a person would type.
 */
import { type CommandOutcome, findOnPath, runCommand } from "./command.ts";
import { oneLine } from "./local-redis-error.ts";

type Argv = readonly [string, ...string[]];

interface PackageManager {
  readonly program: string;
  /** Homebrew refuses to run as root; all others want nothing else. */
  readonly asRoot: boolean;
  /** Refreshes the list of packages, where an image may come without one. */
  readonly refresh?: Argv;
  readonly install: Argv;
  /** Package names that hold a Redis, the first that exists wins. */
  readonly redis: readonly string[];
}

/** A slow mirror takes a while; a hung one must not take for ever. */
const INSTALL_LIMIT_MS = 5 * 60_000;
const SUDO_LIMIT_MS = 5_000;

const APT = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"] as const;

const LINUX: readonly PackageManager[] = [
  {
    program: "apt-get",
    asRoot: true,
    refresh: [...APT, "update"],
    install: [...APT, "install", "-y", "--no-install-recommends"],
    // Not redis-server: that one starts a daemon on 6379, now and at every boot, which nobody asked
    // for. redis-tools holds the same binary, under the name redis-check-rdb (redis-binary.ts).
    redis: ["redis-tools"],
  },
  { program: "dnf", asRoot: true, install: ["dnf", "install", "-y"], redis: ["redis", "valkey"] },
  { program: "yum", asRoot: true, install: ["yum", "install", "-y"], redis: ["redis", "valkey"] },
  { program: "apk", asRoot: true, install: ["apk", "add", "--no-cache"], redis: ["redis"] },
  {
    program: "pacman",
    asRoot: true,
    install: ["pacman", "-S", "--needed", "--noconfirm"],
    redis: ["valkey"],
  },
];
const BREW: PackageManager = {
  program: "brew",
  asRoot: false,
  install: ["brew", "install"],
  redis: ["redis"],
};

/** Runs on every system that has Docker, and is what `npm start` looks for first. */
export const DOCKER_COMMAND: string = "docker run -d --name redis -p 127.0.0.1:6379:6379 redis";

/** Installs a Redis if that works unattended, saying every command it runs. `true` if it did. */
export async function installRedis(say: (line: string) => void): Promise<boolean> {
  const manager = findManager();
  if (manager === undefined) {
    say("cannot install Redis: no package manager found (apt-get, dnf, yum, apk, pacman, brew)");
    return false;
  }
  return install(manager, manager.redis, say);
}

/** Installs one Debian package if this is a Debian and that works unattended; for the tests. */
export async function installDebianPackage(
  name: string,
  say: (line: string) => void,
): Promise<boolean> {
  const manager = findManager();
  return manager?.program === "apt-get" && (await install(manager, [name], say));
}

/** What a person types to get a Redis on this machine. */
export function commandToType(): string {
  const manager = findManager();
  const name = manager?.redis[0];
  if (manager === undefined || name === undefined) return DOCKER_COMMAND;
  const sudo = manager.asRoot && !isRoot() ? ["sudo"] : [];
  const install = manager.install.slice(manager.install.indexOf(manager.program));
  return [...sudo, ...install, name].join(" ");
}

async function install(
  manager: PackageManager,
  packages: readonly string[],
  say: (line: string) => void,
): Promise<boolean> {
  const prefix = await rightsPrefix(manager);
  if (typeof prefix === "string") {
    say(`cannot install unattended: ${prefix}`);
    return false;
  }
  const run = async (argv: Argv): Promise<CommandOutcome> => {
    const [first = argv[0], ...rest] = [...prefix, ...argv];
    say(`running: ${[first, ...rest].join(" ")}`);
    const outcome = await runCommand([first, ...rest], INSTALL_LIMIT_MS);
    if (!outcome.ok) say(`it failed: ${lastLine(outcome.output)}`);
    return outcome;
  };
  // A failed refresh is no reason to stop: one dead source among many, and the rest may do.
  if (manager.refresh !== undefined) await run(manager.refresh);
  for (const name of packages) {
    const outcome = await run([...manager.install, name]);
    if (outcome.ok) return true;
  }
  return false;
}

/** What to put in front of a command to have the rights for it, or in words why that is not possible. */
async function rightsPrefix(manager: PackageManager): Promise<readonly string[] | string> {
  if (!manager.asRoot) return isRoot() ? `${manager.program} does not run as root` : [];
  if (isRoot()) return [];
  if (findOnPath("sudo") === undefined)
    return `${manager.program} needs root, and there is no sudo`;
  const allowed = await runCommand(["sudo", "-n", "true"], SUDO_LIMIT_MS);
  return allowed.ok ? ["sudo", "-n"] : `${manager.program} needs root, and sudo wants a password`;
}

function findManager(): PackageManager | undefined {
  const known = process.platform === "darwin" ? [BREW] : [...LINUX, BREW];
  return known.find((manager) => findOnPath(manager.program) !== undefined);
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function lastLine(output: string): string {
  return oneLine(output.split("\n").at(-1) ?? "");
}
