/** The container files, read and checked: no engine is needed, and none of this proves a build. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { readConfig } from "../apps/server/src/config/config.ts";
import { SETTING_NAMES } from "../apps/server/src/config/settings.ts";
import { ROOT } from "./support/server.ts";

const dockerfile = read("Dockerfile");
const compose = parse(read("docker-compose.yml"));
const { redis, server } = compose.services;

describe("docker-compose.yml", () => {
  test("redis is the container of the brief, with AOF, on loopback only", () => {
    expect(redis.container_name).toBe("redis");
    expect(redis.ports).toEqual(["127.0.0.1:6379:6379"]);
    expect(redis.command.join(" ")).toContain("--appendonly yes");
    expect(redis.command.join(" ")).toContain("--maxmemory-policy noeviction");
    expect(redis.volumes).toEqual(["redis-data:/data"]);
    expect(compose.volumes).toHaveProperty("redis-data");
  });

  test("the server is the demo on port 3000, on loopback only, after Redis is healthy", () => {
    expect(server.ports).toEqual(["127.0.0.1:3000:3000"]);
    expect(server.build).toBe(".");
    expect(server.depends_on).toEqual({ redis: { condition: "service_healthy" } });
    expect(redis.healthcheck.test).toContain("redis-cli");
    expect(server.healthcheck.test.join(" ")).toContain("/readyz");
  });

  test("the server accepts the settings that it is given", () => {
    expect(readConfig({ NODE_ENV: "production", ...server.environment }, [])).toMatchObject({
      host: "0.0.0.0",
      port: 3000,
      redisUrl: "redis://redis:6379",
    });
  });
});

describe("Dockerfile", () => {
  const lines = dockerfile.split("\n").filter((line) => line && !line.startsWith("#"));

  test("two stages; the second runs as nobody special, with a health check", () => {
    expect(lines.filter((line) => line.startsWith("FROM ")).length).toBe(2);
    const last = dockerfile.slice(dockerfile.lastIndexOf("\nFROM "));
    expect(last).toMatch(/^USER node$/m);
    expect(last).toMatch(/^HEALTHCHECK /m);
    expect(last).toMatch(/^STOPSIGNAL SIGTERM$/m);
    expect(last).toMatch(/^CMD \["node", "server\.js"\]$/m);
    expect(last).not.toMatch(/^RUN /m);
  });

  test("what it copies from here exists and is not ignored", () => {
    const ignored = read(".dockerignore").split("\n");
    for (const line of lines.filter((line) => /^COPY (?!--from)/.test(line))) {
      for (const source of line.split(/\s+/).slice(1, -1)) {
        expect(existsSync(`${ROOT}/${source}`), source).toBe(true);
        expect(ignored).not.toContain(source);
      }
    }
  });

  test("an image that was told nothing does not become a demo", () => {
    const env = Object.fromEntries(
      [...dockerfile.matchAll(/^ENV (\w+)=(\S+)$/gm)].map(([, name, value]) => [name, value]),
    );
    expect(() => readConfig(env, [])).toThrow("AUTH_PROFILE must say demo");
  });
});

describe(".env.example", () => {
  const example = read(".env.example");
  const names = [...example.matchAll(/^(\w+)=/gm)].map(([, name = ""]) => name);

  test("names each setting that the server reads, and is valid as it stands", () => {
    const ours = SETTING_NAMES.filter((name) => !name.startsWith("NODE_"));
    expect([...names].sort()).toEqual(ours.sort());
    const values = Object.fromEntries(
      [...example.matchAll(/^(\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]),
    );
    expect(readConfig(values, [])).toEqual(readConfig({}, []));
  });

  test("explains each of them", () => {
    for (const name of names) expect(example).toMatch(new RegExp(`^# .+\n${name}=`, "m"));
  });

  test("the README, or the page on production, has each of them in its table", () => {
    const tables = read("README.md") + read("docs/guide/production.md");
    for (const name of names) expect(tables).toContain(`| \`${name}\` |`);
  });
});

function read(path: string): string {
  return readFileSync(`${ROOT}/${path}`, "utf8");
}
