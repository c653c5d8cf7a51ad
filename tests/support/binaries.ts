/**
 * The programs that the tests need beside Node: a Redis server, and a Chromium for the page. Global
 * setup finds or installs them once per run and hands their paths to the workers by environment.
 */
import { join } from "node:path";
import { findOnPath } from "../../apps/server/src/local-redis/command.ts";
import { installDebianPackage } from "../../apps/server/src/local-redis/package-manager.ts";
import { ensureRedisBinary } from "../../apps/server/src/local-redis/redis-binary.ts";

type Say = (line: string) => void;

/** Ignored by git, like the data folder of the server. */
const LINK_DIR = join(import.meta.dirname, "../../.data/test-bin");
const CHROMIUMS = ["chromium", "chromium-browser", "google-chrome"];

let redis: Promise<string> | undefined;

/** Path of a Redis server. Installs one when there is none; rejects with the command to type. */
export async function redisBinary(say: Say = quiet): Promise<string> {
  const known = process.env["LATCHKEY_TEST_REDIS_BINARY"];
  if (known !== undefined) return known;
  redis ??= ensureRedisBinary({ allowInstall: true, say, linkDir: LINK_DIR }).then(
    (binary) => binary.path,
  );
  return redis;
}

/** Path of a Chromium; `undefined` when there is none and none can be installed. Never rejects. */
export async function chromiumBinary(say: Say = quiet): Promise<string | undefined> {
  const { CHROMIUM_PATH } = process.env;
  if (CHROMIUM_PATH !== undefined && CHROMIUM_PATH !== "") return CHROMIUM_PATH;
  const found = findChromium();
  if (found !== undefined) return found;
  say("no Chromium on this machine; installing one for the test of the page");
  if (await installDebianPackage("chromium", say)) return findChromium();
  say("no Chromium to be had: the test of the page will be skipped (CHROMIUM_PATH names one)");
  return undefined;
}

function findChromium(): string | undefined {
  return CHROMIUMS.map(findOnPath).find((path) => path !== undefined);
}

function quiet(): void {}
