/** Instants for people: how long ago, and under it exactly when. */
import { element } from "./page.js";

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const EXACT = new Intl.DateTimeFormat("en", { dateStyle: "long", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat("en", { timeStyle: "short", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat("en", { dateStyle: "medium" });

/** @type {readonly (readonly [ms: number, unit: "minute" | "hour" | "day"])[]} */
const UNITS = [
  [86_400_000, "day"],
  [3_600_000, "hour"],
  [60_000, "minute"],
];
/** Further back a date says more than a number of days. */
const DAYS_MAX = 30;

/**
 * "3 minutes ago"; the instant itself is in the `datetime`, and in the title.
 * @param {string} instant ISO 8601
 * @param {number} now the server's clock, epoch ms
 */
export function ago(instant, now) {
  const at = Date.parse(instant);
  return element("time", wordsSince(now - at, at), {
    datetime: instant,
    title: EXACT.format(at),
  });
}

/**
 * "at 14:32", or with its day if that is not today.
 * @param {string} instant ISO 8601
 * @param {number} now the server's clock, epoch ms
 */
export function clockTime(instant, now) {
  const at = Date.parse(instant);
  const isToday = DAY.format(at) === DAY.format(now);
  const words = isToday ? CLOCK.format(at) : `${CLOCK.format(at)} on ${DAY.format(at)}`;
  return element("time", words, { datetime: instant, title: EXACT.format(at) });
}

/**
 * @param {number} ms
 * @param {number} at epoch ms
 */
function wordsSince(ms, at) {
  const [size, unit] = UNITS.find(([length]) => ms >= length) ?? [];
  if (size === undefined || unit === undefined) return "just now";
  const count = Math.floor(ms / size);
  if (unit === "day" && count > DAYS_MAX) return `on ${DAY.format(at)}`;
  return RELATIVE.format(-count, unit);
}
