/** The rules of the house as pure functions: file texts in, complaints out. */

/** Path from the root of the repository → text. */
export type Files = ReadonlyMap<string, string>;

interface Room {
  /** Files that this rule is about; the first room that matches counts. */
  readonly at: RegExp;
  /** What they may import: paths of ours, or names of packages. */
  readonly may: readonly RegExp[];
}

const LIB = "packages/latchkey/src";

/** Arrows point to core; siblings do not know each other. */
const ROOMS: readonly Room[] = [
  { at: /\.test\.ts$/, may: [/./] },
  { at: new RegExp(`^${LIB}/core/token\\.ts$`), may: [core(), /^node:crypto$/] },
  { at: new RegExp(`^${LIB}/core/`), may: [core()] },
  { at: new RegExp(`^${LIB}/memory/`), may: [core()] },
  { at: new RegExp(`^${LIB}/near-cache/`), may: [core(), new RegExp(`^${LIB}/near-cache/`)] },
  {
    at: new RegExp(`^${LIB}/redis/feed/`),
    may: [core(), new RegExp(`^${LIB}/redis/`), /^node:(net|tls)$/],
  },
  {
    at: new RegExp(`^${LIB}/redis/`),
    may: [core(), new RegExp(`^${LIB}/redis/`), /^(redis|ioredis)$/],
  },
  {
    at: new RegExp(`^${LIB}/adapters/node(-response)?\\.ts$`),
    may: [core(), adapter("node-response"), /^node:http$/],
  },
  {
    at: new RegExp(`^${LIB}/adapters/fetch(-exchange)?\\.ts$`),
    may: [core(), adapter("fetch-exchange")],
  },
  {
    at: new RegExp(`^${LIB}/adapters/hono\\.ts$`),
    may: [core(), adapter("fetch-exchange"), /^hono$/],
  },
  ...["express", "fastify", "koa"].map((name) => ({
    at: new RegExp(`^${LIB}/adapters/${name}\\.ts$`),
    may: [core(), adapter("node"), new RegExp(`^${name}$`)],
  })),
  {
    at: new RegExp(`^${LIB}/testing/`),
    may: [core(), new RegExp(`^${LIB}/testing/`), /^node:(assert|events|http)/],
  },
  { at: new RegExp(`^${LIB}/`), may: [core()] },
  {
    at: /^apps\/server\/src\/local-redis\//,
    may: [/^apps\/server\/src\/local-redis\//, /^node:/, /^redis$/],
  },
  {
    at: /^apps\/server\/src\/routes\//,
    may: [/^apps\/server\/src\/(?!server|app|redis|config)/, /^latchkey(\/express)?$/, /^express$/],
  },
  { at: /^apps\/server\/src\//, may: [/^apps\/server\/src\//, /^(?!apps|packages|tests|\.)/] },
];

function core(): RegExp {
  return new RegExp(`^${LIB}/core/`);
}

function adapter(name: string): RegExp {
  return new RegExp(`^${LIB}/adapters/${name}\\.ts$`);
}

/** Imports that run against the arrows. */
export function wrongImports(files: Files): string[] {
  const wrong: string[] = [];
  for (const [path, text] of files) {
    const room = ROOMS.find(({ at }) => at.test(path));
    if (room === undefined) continue;
    for (const target of importsOf(path, text)) {
      if (!room.may.some((allowed) => allowed.test(target)))
        wrong.push(`${path} imports ${target}`);
    }
  }
  return wrong;
}

/** What a file imports: relative ones as paths from the root, others as they are written. */
function importsOf(path: string, text: string): string[] {
  const code = withoutComments(text);
  const named = code.matchAll(/(?:^|[\s;}])(?:import|export)\s[^"'`;]*?from\s*["']([^"']+)["']/g);
  const bare = code.matchAll(/(?:^|[\s;(=])import\s*\(?\s*["']([^"']+)["']/g);
  return [...named, ...bare].map(([, target = ""]) =>
    target.startsWith(".") ? new URL(target, `file:///${path}`).pathname.slice(1) : target,
  );
}

interface Ban {
  readonly call: RegExp;
  readonly except: RegExp;
  readonly instead: string;
}

const SOURCES = /^(packages|apps)\/.*\/src\/.*(?<!\.test)\.ts$/;
const BANS: readonly Ban[] = [
  { call: /\bDate\.now\(/, except: /core\/clock\.ts$/, instead: "take a Clock" },
  { call: /\bMath\.random\(|\brandomUUID\b/, except: /$^/, instead: "take RandomBytes" },
  {
    call: /\brandomBytes\(/,
    except: /core\/token\.ts$|server\/src\/request-id\.ts$/,
    instead: "take RandomBytes",
  },
  {
    call: /\bset(Timeout|Interval)\(/,
    except:
      /redis\/driver\.ts$|^apps\/server\/src\/((server|timers|live\/live-sessions|log\/line-output)\.ts$|local-redis\/)/,
    instead: "use `answered` of redis/driver.ts",
  },
  { call: /\bas any\b|: any\b|@ts-ignore|@ts-expect-error/, except: /$^/, instead: "parse it" },
  { call: /\bTODO\b|\bFIXME\b/, except: /$^/, instead: "do it, or leave it out" },
];

/** Calls that have one place, found in another. */
export function bannedCalls(files: Files): string[] {
  const found: string[] = [];
  for (const [path, text] of files) {
    if (!SOURCES.test(path)) continue;
    const code = withoutComments(text);
    for (const { call, except, instead } of BANS) {
      if (call.test(code) && !except.test(path)) found.push(`${path}: ${call.source}: ${instead}`);
    }
  }
  return found;
}

const FILE_MAX_LINES = 400;
const ADAPTER_MAX_LINES = 60;
const NODE_ADAPTER_MAX_LINES = 130;

/** Files with more lines than their kind may have. Comments and blank lines do not count in adapters. */
export function longFiles(files: Files): string[] {
  const long: string[] = [];
  for (const [path, text] of files) {
    if (!/\.(ts|js|css)$/.test(path) || path.endsWith(".generated.ts")) continue;
    const isAdapter = path.startsWith(`${LIB}/adapters/`) && !path.endsWith(".test.ts");
    const lines = isAdapter
      ? withoutComments(text)
          .split("\n")
          .filter((line) => line.trim())
      : text.split("\n");
    const max = !isAdapter
      ? FILE_MAX_LINES
      : /\/node(-response)?\.ts$/.test(path)
        ? NODE_ADAPTER_MAX_LINES
        : ADAPTER_MAX_LINES;
    if (lines.length > max) long.push(`${path}: ${lines.length} lines, at most ${max}`);
  }
  return long;
}

/** Scripts without shebang, or without a header that states KEYS, ARGV and REPLY. */
export function barelyDocumentedScripts(files: Files): string[] {
  return [...files]
    .filter(([path]) => path.endsWith(".lua") && !path.includes("/include/"))
    .filter(
      ([, text]) =>
        !/^#!lua[^\n]*\n(?:--.*\n)*-- KEYS(?:.*\n--)*.*ARGV(?:.*\n--)*.*REPLY/.test(text),
    )
    .map(([path]) => path);
}

/** Links in Markdown to files or headings of the repository that do not exist. */
export function deadLinks(files: Files, exists: (path: string) => boolean): string[] {
  const dead: string[] = [];
  for (const [path, text] of files) {
    if (!path.endsWith(".md")) continue;
    for (const [, link = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const [target = "", anchor] = link.split("#");
      const full = target === "" ? path : new URL(target, `file:///${path}`).pathname.slice(1);
      const page = files.get(full);
      if (!exists(full)) dead.push(`${path} → ${link}`);
      else if (anchor && page !== undefined && full.endsWith(".md") && !anchors(page).has(anchor)) {
        dead.push(`${path} → ${link} (no such heading)`);
      }
    }
  }
  return dead;
}

/** GitHub's anchors of the headings of a page. */
function anchors(markdown: string): Set<string> {
  return new Set(
    [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, "")
        .trim()
        .replace(/\s/g, "-"),
    ),
  );
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "$1");
}
