/**
 * The page of the production server: who is logged in here, where else, and how that ends. It keeps
 * nothing: the session is a cookie that no script can read, and all else is asked of the server anew.
 */
import { ask, isGood, isLoggedOut, wordsFor } from "./api.js";
import { deviceLine, inOrder, nameOf } from "./devices.js";
import { areYouSure, askPassword, closeDialogs } from "./dialogs.js";
import { clear, onSubmit } from "./form.js";
import { createListener } from "./live.js";
import { byId, tell } from "./page.js";
import { clockTime } from "./time.js";

/** @typedef {import("./api.js").Answer} Answer */
/** @typedef {import("./devices.js").Login} Login */
/** @typedef {"asking" | "login" | "register" | "enrol" | "account"} View */

/** "3 minutes ago" is put right so often; it asks the server nothing. */
const REDRAW_MS = 30_000;
/** While the server cannot say who this is. */
const ASK_AGAIN_MS = 2_000;

/** @type {readonly View[]} */
const VIEWS = ["asking", "login", "register", "enrol", "account"];
/** What `ended` means to the one who reads it. */
const REASONS = new Map([
  ["expired", "You were logged out: the time of this login was over."],
  ["revoked", "You were logged out from elsewhere: by another tab, another device or an operator."],
]);
const NO_COOKIE = "The login was right, but this browser keeps no cookies of this site.";
const ENDED = "You are not logged in any more: this login was ended in another tab or elsewhere.";

/** @type {View} */
let view = "asking";
let username = "";
let expiresAt = "";
/** @type {readonly Login[]} */
let logins = [];
/** The server's clock: what it said, and when by the clock that nobody can set. */
let clock = { now: Date.now(), at: performance.now() };
/** Grows with each change of state: an answer to an older question must not undo it. */
let turn = 0;
let isBusy = false;
/** The server could not say who this is, and the page has said so. */
let isInDoubt = false;
let askTimer = 0;

const listener = createListener({
  ended: (reason) => void ended(reason),
  expiring,
  lost: () => void look(),
});

byId("host").textContent = location.host;
onSubmit(formIn("login"), () => look({ news: "You are logged in." }));
onSubmit(formIn("register"), registered);
onSubmit(formIn("enrol"), registered);
onSubmit(formIn("change"), passwordChanged);
// A password that is sent ends the token of now. The stream would say so before the answer has
// brought the next one, and the page would think that nobody is logged in.
document.addEventListener("asking", () => {
  tell("");
  listener.stop();
});
document.addEventListener("answered", () => {
  if (view === "account") listener.start();
});
document.addEventListener("logged-out", () => leave(ENDED, "bad"));
byId("logout").addEventListener("click", () => act(logOut));
byId("others").addEventListener("click", () => act(signOutOthers));
byId("stay").addEventListener("click", () => act(stay));
addEventListener("hashchange", () => {
  if (view !== "account" && view !== "asking") showLoggedOut();
});
// A page from the history shows what was true when it was left.
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) void look();
});
// A hidden page lets go of its stream: over HTTP/1.1 a browser opens six connections to a host, and
// six tabs would leave none for anything else.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) listener.stop();
  else void look();
});
setInterval(drawDevices, REDRAW_MS);
void look();

/**
 * One at a time: a second click on what is under way wants the same.
 * @param {() => Promise<void>} action
 */
async function act(action) {
  if (isBusy) return;
  isBusy = true;
  await action();
  isBusy = false;
}

/**
 * Asks who this is, and shows it.
 * @param {object} [words]
 * @param {string} [words.news] to tell if somebody is logged in
 * @param {string} [words.end] to tell if somebody was
 */
async function look({ news = "", end = ENDED } = {}) {
  clearTimeout(askTimer);
  turn += 1;
  const asked = turn;
  const answer = await ask("GET", "/auth/session");
  if (asked !== turn) return;
  if (answer.status === 401) return nobody(news, end);
  if (!isGood(answer)) return askLater(answer);
  enter(answer, news);
  await loadDevices();
}

/**
 * Nobody is logged in. In a form that is no news, but after a login it is.
 * @param {string} news
 * @param {string} end
 */
function nobody(news, end) {
  if (view === "account") leave(end, "bad");
  else if (view === "asking") leave("");
  else if (news) tell(NO_COOKIE, "bad");
}

/**
 * No answer is no logout: what is shown stays.
 * @param {Answer} answer
 */
function askLater(answer) {
  isInDoubt = true;
  tell(wordsFor(answer), "bad");
  askTimer = setTimeout(look, Math.max(answer.retryAfterMs, ASK_AGAIN_MS));
}

/**
 * @param {Answer} answer of `GET /auth/session`
 * @param {string} news
 */
function enter({ json, now }, news) {
  const isNew = view !== "account";
  const isOther = isNew ? view !== "asking" && !news : username !== json.username;
  if (isOther) tell(`Another tab has logged in as ${json.username}.`);
  else if (isNew || news) tell(news);
  else if (isInDoubt) tell("The server answers again, and you are still logged in.");
  isInDoubt = false;
  clock = { now, at: performance.now() };
  if (isNew || Date.parse(json.expiresAt) > Date.parse(expiresAt)) byId("expiring").hidden = true;
  ({ username, expiresAt } = json);
  showUsername();
  byId("ends").replaceChildren(
    "Ends at ",
    clockTime(expiresAt, now),
    " if it is not used, at ",
    clockTime(json.absoluteExpiresAt, now),
    " in any case.",
  );
  if (isNew) show("account", byId("who"));
  if (!listener.isOn()) listener.start();
}

/**
 * Nobody is logged in here. What belongs to who was is not left in the page.
 * @param {string} news
 * @param {"good" | "bad"} [kind]
 */
function leave(news, kind) {
  clearTimeout(askTimer);
  turn += 1;
  listener.stop();
  closeDialogs();
  isInDoubt = false;
  [username, expiresAt, logins] = ["", "", []];
  showUsername();
  byId("ends").textContent = "";
  byId("devices").replaceChildren();
  clear(formIn("change"));
  /** @type {HTMLDetailsElement} */ (byId("change")).open = false;
  tell(news, kind);
  showLoggedOut();
}

/** To people, and to password managers. */
function showUsername() {
  byId("username").textContent = username;
  for (const form of ["change", "reauth"]) {
    /** @type {HTMLInputElement} */ (byId(`${form}-username`)).value = username;
  }
}

function showLoggedOut() {
  if (location.hash === "#register") void showRegister();
  else if (location.hash === "#enrol") show("enrol", byId("enrol-token"));
  else show("login", byId("login-username"));
}

/** Where registration is closed, nobody should think of a password first. */
async function showRegister() {
  show("register", byId("register-username"));
  const { status } = await ask("HEAD", "/auth/register");
  const isClosed = status === 404;
  formIn("register").hidden = isClosed;
  byId("closed").hidden = !isClosed;
}

/**
 * The focus goes along, but for a reload: that begins at the top, as any page does.
 * @param {View} next
 * @param {HTMLElement} first
 */
function show(next, first) {
  const isReload = view === "asking" && next === "account";
  view = next;
  for (const id of VIEWS) byId(id).hidden = id !== next;
  if (!isReload) first.focus();
}

/**
 * A new account is no login yet; what was typed is one.
 * @param {Answer} _answer
 * @param {Record<string, string>} typed
 */
async function registered(_answer, { username, password }) {
  const answer = await ask("POST", "/auth/login", { username, password });
  history.replaceState(null, "", location.pathname);
  if (isGood(answer)) return look({ news: "Your account is made, and you are logged in." });
  leave(`Your account is made. ${wordsFor(answer)}`, "bad");
}

async function logOut() {
  turn += 1;
  // What the stream says of it is no news to who has done it.
  listener.stop();
  const answer = await ask("POST", "/auth/logout");
  if (isGood(answer)) return leave("You are logged out.");
  if (answer.code !== "not_revoked") return failed(answer);
  const words = "This browser has forgotten the login, but the server could not end it just now.";
  leave(`${words} It ends by itself when it is not used.`, "bad");
}

/**
 * What another tab did may have brought this browser a new token, a moment after the end of the one
 * before: so the page looks once more.
 * @param {string} reason
 */
async function ended(reason) {
  if (reason !== "rotated") await look({ end: REASONS.get(reason) ?? ENDED });
  if (!listener.isOn()) askTimer = setTimeout(look, ASK_AGAIN_MS);
}

/** @param {string} at ISO 8601 */
function expiring(at) {
  expiresAt = at || expiresAt;
  byId("expiring").hidden = false;
  byId("expiring-words").replaceChildren("This login ends at ", clockTime(expiresAt, now()), ".");
}

/** Looking is a use, and moves the idle end. The absolute end only the password moves. */
async function stay() {
  const before = Date.parse(expiresAt);
  await look();
  if (view !== "account" || isInDoubt) return;
  if (Date.parse(expiresAt) <= before) {
    const why = "This login has come to its longest time. Your password begins a new one.";
    if (!(await askPassword(why))) return;
    await look();
  }
  tell("You stay logged in.");
  byId("who").focus();
}

async function loadDevices() {
  const asked = turn;
  const answer = await ask("GET", "/auth/sessions");
  if (asked !== turn) return;
  if (!isGood(answer)) return failed(answer);
  clock = { now: answer.now, at: performance.now() };
  logins = inOrder(answer.json.sessions);
  drawDevices();
}

/** With the focus where it was: the list is drawn anew while somebody moves in it. */
function drawDevices() {
  const focused = document.activeElement?.closest("li")?.id ?? "";
  byId("devices").replaceChildren(
    ...logins.map((login) => deviceLine(login, now(), (one) => act(() => signOut(one)))),
  );
  byId("others").hidden = logins.length < 2;
  if (focused) document.getElementById(focused)?.querySelector("button")?.focus();
}

/** @param {Login} login */
async function signOut(login) {
  const name = nameOf(login);
  const answer = await whenFresh(`To sign out ${name}, enter your password.`, () =>
    ask("DELETE", `/auth/sessions/${encodeURIComponent(login.id)}`),
  );
  if (answer === undefined) return;
  if (!isGood(answer) && answer.status !== 404) return failed(answer);
  await loadDevices();
  tell(isGood(answer) ? `${name} is signed out.` : `${name} was signed out already.`);
  byId("devices-title").focus();
}

async function signOutOthers() {
  const count = logins.length - 1;
  const others = count === 1 ? "the other device" : `${count} other devices`;
  if (!(await areYouSure(`Sign out ${others}?`))) return;
  const answer = await whenFresh("To sign out other devices, enter your password.", () =>
    ask("DELETE", "/auth/sessions?scope=others"),
  );
  if (answer === undefined) return;
  if (!isGood(answer)) return failed(answer);
  await loadDevices();
  tell("All other devices are signed out.");
  byId("devices-title").focus();
}

async function passwordChanged() {
  /** @type {HTMLDetailsElement} */ (byId("change")).open = false;
  await look({ news: "Your password is changed, and all other devices are signed out." });
  byId("who").focus();
}

/**
 * Does it; where the server wants the password first, asks for that and does it once more.
 * @param {string} why
 * @param {() => Promise<Answer>} action
 * @returns {Promise<Answer | undefined>} undefined: the user would rather not
 */
async function whenFresh(why, action) {
  const answer = await action();
  if (answer.code !== "reauth_required") return answer;
  if (!(await askPassword(why))) return undefined;
  await look();
  return action();
}

/** @param {Answer} answer */
function failed(answer) {
  if (isLoggedOut(answer)) return leave(ENDED, "bad");
  tell(wordsFor(answer), "bad");
}

/** The server's clock, however this machine's is set. */
function now() {
  return clock.now + performance.now() - clock.at;
}

/** @param {string} id @returns {HTMLFormElement} */
function formIn(id) {
  return /** @type {any} */ (byId(id).querySelector("form"));
}
