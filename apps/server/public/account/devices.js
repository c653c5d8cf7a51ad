/** The list of a user's open logins, one line each. */
import { element } from "./page.js";
import { ago } from "./time.js";

/**
 * @typedef {object} Login
 * @property {string} id
 * @property {boolean} current
 * @property {string} createdAt ISO 8601
 * @property {string} [lastSeenAt]
 * @property {{ label?: string, where?: string }} [device]
 */

/**
 * This device first, then whichever was used last.
 * @param {readonly Login[]} logins
 */
export function inOrder(logins) {
  const lastUse = (/** @type {Login} */ { lastSeenAt, createdAt }) =>
    Date.parse(lastSeenAt ?? createdAt);
  return [...logins].sort(
    (a, b) => Number(b.current) - Number(a.current) || lastUse(b) - lastUse(a),
  );
}

/** @param {Login} login */
export function nameOf({ device }) {
  return device?.label ?? "Unknown device";
}

/**
 * @param {Login} login
 * @param {number} now the server's clock, epoch ms
 * @param {(login: Login) => void} signOut
 */
export function deviceLine(login, now, signOut) {
  const line = element("li", "", { id: `login-${login.id}` });
  const text = element("div");
  const name = element("strong", nameOf(login));
  text.append(name);
  if (login.current) text.append(" ", element("span", "This device", { class: "badge" }));
  text.append(facts(login, now));
  line.append(text);
  if (login.current) return line;
  const button = element("button", "Sign out", { type: "button" });
  // Two devices may have one name; when they were last seen tells them apart for the ear, too.
  button.setAttribute("aria-label", `Sign out ${nameOf(login)}`);
  button.setAttribute("aria-describedby", `facts-${login.id}`);
  button.addEventListener("click", () => signOut(login));
  line.append(button);
  return line;
}

/**
 * @param {Login} login
 * @param {number} now
 */
function facts({ id, device, createdAt, lastSeenAt }, now) {
  const line = element("small", "", { id: `facts-${id}` });
  if (device?.where) line.append(element("span", `from ${device.where}`));
  line.append(fact("first seen ", createdAt, now));
  if (lastSeenAt) line.append(fact("last seen ", lastSeenAt, now));
  return line;
}

/**
 * @param {string} words
 * @param {string} instant
 * @param {number} now
 */
function fact(words, instant, now) {
  const part = element("span", words);
  part.append(ago(instant, now));
  return part;
}
