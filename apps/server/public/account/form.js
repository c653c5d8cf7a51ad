/** Forms: what is typed goes to the form's action, and what is wrong comes back to its field. */
import { ask, isGood, isLoggedOut, wordsFor } from "./api.js";
import { element } from "./page.js";

/** @typedef {import("./api.js").Answer} Answer */

const TICK_MS = 1_000;

/**
 * Forms that the server has told to wait, with the timer that counts down.
 * @type {WeakMap<HTMLFormElement, number>}
 */
const waits = new WeakMap();

/**
 * Each field gets a place for what is wrong with it, each password a button that shows it. The form
 * fires `asking` and `answered`, and `logged-out` if that is the answer. They bubble.
 * @param {HTMLFormElement} form
 * @param {(answer: Answer, sent: Record<string, string>) => void | Promise<void>} then for an answer of success
 */
export function onSubmit(form, then) {
  for (const input of fieldsOf(form)) prepare(input);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void send(form, then);
  });
  // The wait is for this name: another one may have none.
  form.querySelector("[name=username]")?.addEventListener("input", () => forgetProblems(form));
}

/**
 * Nothing typed and nothing said stays.
 * @param {HTMLFormElement} form
 */
export function clear(form) {
  form.reset();
  for (const input of fieldsOf(form)) conceal(input);
  forgetProblems(form);
}

/**
 * One at a time: a second click while the first is under way would be a second login.
 * @param {HTMLFormElement} form
 * @param {(answer: Answer, sent: Record<string, string>) => void | Promise<void>} then
 */
async function send(form, then) {
  if (form.ariaBusy === "true" || waits.has(form)) return;
  const fields = fieldsOf(form);
  const sent = Object.fromEntries(fields.map(({ name, value }) => [name, value]));
  // What is shown as text, a browser may keep for the next one who types here.
  for (const input of fields) conceal(input);
  forgetProblems(form);
  form.ariaBusy = "true";
  fire(form, "asking");
  const answer = await ask("POST", new URL(form.action).pathname, sent);
  form.ariaBusy = null;
  fire(form, "answered");
  if (isGood(answer)) {
    form.reset();
    await then(answer, sent);
  } else if (isLoggedOut(answer)) fire(form, "logged-out");
  else showProblem(form, answer);
}

/**
 * @param {HTMLFormElement} form
 * @param {string} event
 */
function fire(form, event) {
  form.dispatchEvent(new Event(event, { bubbles: true }));
}

/**
 * @param {HTMLFormElement} form
 * @param {Answer} answer
 */
function showProblem(form, answer) {
  const errors = errorsOf(form, answer);
  const wrong = fieldsOf(form).filter((input) => {
    const error = errors.find(({ pointer }) => pointer === `/${input.name}`);
    if (error) showFieldProblem(input, error.message);
    return error !== undefined;
  });
  // With words at the fields, the sentence over all of them says nothing more.
  if (wrong.length === 0) problemOf(form).textContent = wordsFor(answer);
  if (answer.status === 429) waitFor(form, answer.retryAfterMs);
  const [first = lastOf(form)] = wrong;
  first.focus();
  first.select();
}

/**
 * Where no name is asked for, wrong credentials are a wrong password: the first one of the form.
 * @param {HTMLFormElement} form
 * @param {Answer} answer
 * @returns {readonly { pointer: string, message: string }[]}
 */
function errorsOf(form, { code, json }) {
  const [first] = fieldsOf(form);
  if (code === "invalid_credentials" && first?.type === "password") {
    return [{ pointer: `/${first.name}`, message: "is wrong" }];
  }
  return Array.isArray(json?.errors) ? json.errors : [];
}

/**
 * Counts down by the clock that nobody can set. A screen reader hears the first and the last of it:
 * a timer is silent by itself.
 * @param {HTMLFormElement} form
 * @param {number} ms
 */
function waitFor(form, ms) {
  const end = performance.now() + ms;
  const problem = problemOf(form);
  const left = element("span", "", { role: "timer" });
  problem.append(" Wait ", left, ".");
  submitOf(form).ariaDisabled = "true";
  const tick = () => {
    const rest = end - performance.now();
    left.textContent = span(Math.ceil(rest / 1_000));
    if (rest > 0) waits.set(form, setTimeout(tick, Math.min(rest, TICK_MS)));
    else {
      forgetProblems(form);
      problem.textContent = "You can try again now.";
    }
  };
  tick();
}

/** @param {number} seconds */
function span(seconds) {
  const minutes = Math.floor(seconds / 60);
  const rest = String(seconds % 60).padStart(2, "0");
  return minutes > 0 ? `${minutes}:${rest} min` : `${seconds} s`;
}

/** @param {HTMLFormElement} form */
function forgetProblems(form) {
  clearTimeout(waits.get(form));
  waits.delete(form);
  submitOf(form).ariaDisabled = null;
  problemOf(form).textContent = "";
  for (const input of fieldsOf(form)) showFieldProblem(input, "");
}

/**
 * @param {HTMLInputElement} input
 * @param {string} message such as "must not be empty"
 */
function showFieldProblem(input, message) {
  const label = input.labels?.[0]?.textContent ?? "";
  const place = document.getElementById(`${input.id}-problem`);
  if (place) place.textContent = message && `${label} ${message}.`;
  input.ariaInvalid = message === "" ? null : "true";
}

/** @param {HTMLInputElement} input */
function prepare(input) {
  const problem = element("p", "", { id: `${input.id}-problem`, class: "problem" });
  const described = [input.getAttribute("aria-describedby"), problem.id];
  input.after(problem);
  if (input.type === "password") described.push(addToggle(input));
  input.setAttribute("aria-describedby", described.filter(Boolean).join(" "));
}

/**
 * A button that shows what is typed, and a word about Caps Lock; the id of that word.
 * @param {HTMLInputElement} input
 */
function addToggle(input) {
  const toggle = element("button", "", { type: "button", class: "toggle" });
  toggle.addEventListener("click", () => {
    if (input.type === "password") reveal(input);
    else conceal(input);
  });
  const row = element("div", "", { class: "with-toggle" });
  const caps = element("p", "", { id: `${input.id}-caps`, class: "caps", role: "status" });
  input.before(row);
  row.append(input, toggle);
  row.after(caps);
  conceal(input);
  input.spellcheck = false;
  input.autocapitalize = "none";
  input.addEventListener("keyup", (event) => {
    // A password manager's key has no modifiers to ask for.
    const isOn = event.getModifierState?.("CapsLock") ?? false;
    caps.textContent = isOn ? "Caps Lock is on." : "";
  });
  input.addEventListener("blur", () => {
    caps.textContent = "";
  });
  return caps.id;
}

/** @param {HTMLInputElement} input */
function conceal(input) {
  setShown(input, "password", "Show");
}

/** @param {HTMLInputElement} input */
function reveal(input) {
  setShown(input, "text", "Hide");
}

/**
 * @param {HTMLInputElement} input
 * @param {"text" | "password"} type
 * @param {string} verb what the button does next
 */
function setShown(input, type, verb) {
  const toggle = input.parentElement?.querySelector(".toggle");
  if (!toggle) return;
  input.type = type;
  toggle.textContent = verb;
  toggle.setAttribute("aria-label", `${verb} ${input.labels?.[0]?.textContent?.toLowerCase()}`);
}

/** @param {HTMLFormElement} form */
function fieldsOf(form) {
  return [.../** @type {NodeListOf<HTMLInputElement>} */ (form.querySelectorAll("input[name]"))];
}

/** @param {HTMLFormElement} form @returns {HTMLInputElement} */
function lastOf(form) {
  return /** @type {any} */ (fieldsOf(form).at(-1));
}

/** @param {HTMLFormElement} form @returns {HTMLElement} */
function problemOf(form) {
  return /** @type {any} */ (form.querySelector(":scope > .problem"));
}

/** @param {HTMLFormElement} form @returns {HTMLButtonElement} */
function submitOf(form) {
  return /** @type {any} */ (form.querySelector("[type=submit]"));
}
