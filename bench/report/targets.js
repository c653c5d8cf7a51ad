/** What we want to be true, and whether it is. */
import { intoFastJwt } from "../check/part.js";
import { paired } from "../http/part.js";

const NEAR = "latchkey (near)";

/** Each gives the measured figure, or undefined where it was not measured. */
const TARGETS = [
  target("check ≥ 8× cheaper than fast-jwt, 1,000 sessions", (parts) =>
    atLeast(8, intoFastJwt(resultsOf(parts, "check"), "sessions.check", 1_000)),
  ),
  target("near.recall ≥ 8× cheaper than fast-jwt, 1,000 sessions", (parts) =>
    atLeast(8, intoFastJwt(resultsOf(parts, "check"), "near.recall", 1_000)),
  ),
  target("check ≥ 4× cheaper than fast-jwt, 1,000,000 sessions", (parts) =>
    atLeast(4, intoFastJwt(resultsOf(parts, "check"), "sessions.check", 1_000_000)),
  ),
  target("near.recall ≥ 4× cheaper than fast-jwt, 1,000,000 sessions", (parts) =>
    atLeast(4, intoFastJwt(resultsOf(parts, "check"), "near.recall", 1_000_000)),
  ),
  target("node:http: near cache ≤ 1.20× no session", (parts) =>
    atMost(1.2, http(parts, "node:http", NEAR, "none A")),
  ),
  target("Fastify: near cache ≤ 1.15× no session", (parts) =>
    atMost(1.15, http(parts, "fastify", NEAR, "none A")),
  ),
  target("Express: near cache within the noise of no session (A/A)", (parts) => {
    const noise = aaNoise(resultsOf(parts, "http"), "express");
    return noise && atMost(noise, http(parts, "express", NEAR, "none A"));
  }),
  target("Express: near cache ≤ 0.65× express-session", (parts) =>
    atMost(0.65, http(parts, "express", NEAR, "express-session")),
  ),
  target("Express: near cache ≤ 0.35× better-auth", (parts) =>
    atMost(0.35, http(parts, "express", NEAR, "better-auth")),
  ),
  target("Fastify: near cache ≤ 0.25× @fastify/session", (parts) =>
    atMost(0.25, http(parts, "fastify", NEAR, "@fastify/session")),
  ),
  target("Express: without near cache no dearer than express-session", (parts) =>
    atMost(1, http(parts, "express", "latchkey", "express-session")),
  ),
  target("Fastify: without near cache no dearer than @fastify/session", (parts) =>
    atMost(1, http(parts, "fastify", "latchkey", "@fastify/session")),
  ),
  target("without near cache one command per request", (parts) => {
    const ours = resultsOf(parts, "http").filter(({ name }) => name === "latchkey");
    return atMost(1.01, ours.length && Math.max(...ours.map(({ commands }) => commands.median)));
  }),
  target("near cache: ≤ 0.02 commands per request, 100 requests a session", (parts) =>
    atMost(0.02, parts.growth?.longRun?.commands),
  ),
  target("≤ 400 bytes of heap per cached session", (parts) =>
    atMost(400, resultsOf(parts, "memory").find(({ where }) => where === "heap")?.bytes),
  ),
  target("revoked elsewhere within 10 ms under load, p99", (parts) =>
    atMost(10, resultsOf(parts, "revocation").find(({ load }) => load !== "idle")?.p99),
  ),
];

function target(title, measure) {
  return { title, measure };
}

export function judge(parts) {
  return TARGETS.flatMap(({ title, measure }) => {
    const found = measure(parts);
    return found === undefined ? [] : [{ title, ...found }];
  });
}

export function printTargets(targets) {
  console.log("\n## Targets\n");
  for (const { title, holds, measured, limit } of targets) {
    console.log(`${holds ? "holds        " : "DOES NOT HOLD"}  ${title}: ${measured} (${limit})`);
  }
}

function resultsOf(parts, name) {
  return parts[name]?.results ?? [];
}

function http(parts, framework, name, other) {
  return paired(resultsOf(parts, "http"), framework, name, other);
}

/** How far two that are the same were apart, at worst, and at least 5 %. */
function aaNoise(results, framework) {
  const again = results.find((it) => it.framework === framework && it.name === "none B");
  if (again === undefined) return undefined;
  const { min, max } = again.overCeiling;
  return Math.max(max, 1 / min, 1.05);
}

function atLeast(limit, measured) {
  return measured ? verdict(measured >= limit, measured, `at least ${fixed(limit)}`) : undefined;
}

function atMost(limit, measured) {
  return measured ? verdict(measured <= limit, measured, `at most ${fixed(limit)}`) : undefined;
}

function verdict(holds, measured, limit) {
  return { holds, measured: fixed(measured), limit };
}

function fixed(value) {
  return Number(value.toPrecision(3));
}
