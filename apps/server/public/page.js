/**
 * The page at `/`: a session is born, used and ended, and each step is told in words. It knows the
 * server only by its HTTP API. What users or servers wrote is shown by `textContent` alone.
 */

/**
 * @typedef {object} Answer
 * @property {string} asked method and path
 * @property {number} status 0: the server did not answer
 * @property {string} statusText
 * @property {string} text the body as it came
 * @property {any} json the body, if it is JSON
 * @property {number} date the server's clock, cut to whole seconds; epoch ms
 * @property {number} sentAt by `performance.now()`, like `receivedAt`
 * @property {number} receivedAt
 */

/** Someone at redis-cli changes the key behind our back, and seeing that is what the page is for. */
const LOOK_EVERY_MS = 2_000;
const ANSWER_LIMIT_MS = 10_000;
const LAST_SECONDS = 10;

const card = byId("session");
/** @type {HTMLInputElement} */
const username = byId("username");
const lines = [...document.querySelectorAll("li")];

let sessionId = "";
/** When the key ends, by `performance.now()`, because the client's clock may be wrong or be set. */
let endsAt = Number.NaN;
/** Grows with each change of state: an answer to an older question must not undo it. */
let turn = 0;
let isBusy = false;
/** The failure that is on show, so that it is not told again with every look. */
let trouble = "";
let lookTimer = 0;
let tickTimer = 0;

card.querySelector("form")?.addEventListener("submit", (event) => {
  event.preventDefault();
  // A browser is known by a header that it does not send to plain http on another machine.
  void act("POST", "/auth/login", loggedIn, { username: username.value, transport: "cookie" });
});
byId("profile").addEventListener("click", () => void act("GET", "/profile", profileCame));
byId("logout").addEventListener("click", () => void act("POST", "/auth/logout", loggedOut));
for (const line of lines) {
  line.querySelector("button")?.addEventListener("click", () => void copy(line));
}
// A hidden tab does not look (browsers slow its timers down), so it looks when it is seen again.
document.addEventListener("visibilitychange", () => void look());
byId("url").textContent = `${location.origin}/profile`;
showId();
void look();

/**
 * One action at a time: two logins at once would leave a session that nobody holds.
 * @param {string} method
 * @param {string} path
 * @param {(answer: Answer) => void} then
 * @param {object} [body]
 */
async function act(method, path, then, body) {
  if (isBusy) return;
  isBusy = true;
  turn += 1;
  const answer = await ask(method, path, body);
  isBusy = false;
  turn += 1;
  trouble = failureOf(answer);
  then(answer);
  lookLater();
}

/** @param {Answer} answer */
function loggedIn(answer) {
  const wrong = answer.json?.errors?.[0];
  byId("problem").textContent = wrong ? `The username ${wrong.message}.` : "";
  username.ariaInvalid = String(wrong !== undefined);
  if (wrong) username.focus();
  if (answer.status !== 200) return show(answer, failureOf(answer));
  show(answer, "Redis now holds this login: one key, named after the session id.");
  enter(answer.json.sessionId);
  void look();
}

/** @param {Answer} answer */
function profileCame(answer) {
  if (answer.status === 401) ended(answer);
  else show(answer, failureOf(answer) || "The protected route let you in: the key is in Redis.");
}

/** @param {Answer} answer */
function loggedOut(answer) {
  if (answer.status === 204) {
    show(answer, "You logged out. The key is gone from Redis, and its id opens nothing any more.");
  } else if (answer.json?.code === "not_revoked") {
    show(answer, "This browser forgot the session, but Redis, out of reach, may keep it for now.");
  } else return show(answer, failureOf(answer));
  leave();
}

/** Asks whose session this is. At load that brings a login back; later it keeps the time right. */
async function look() {
  if (document.hidden || isBusy || card.dataset["state"] === "out") return;
  const askedIn = turn;
  const answer = await ask("GET", "/auth/session");
  if (askedIn !== turn) return;
  const failure = failureOf(answer);
  if (answer.status === 200) found(answer);
  else if (answer.status === 401 && sessionId !== "") ended(answer);
  else if (answer.status === 401) {
    show(answer, "Nobody is logged in here yet. Choose a name and log in.");
    leave();
  } else if (failure !== trouble) show(answer, failure);
  trouble = failure;
  lookLater();
}

/** @param {Answer} answer */
function found(answer) {
  const { json, date, sentAt, receivedAt } = answer;
  if (sessionId === "") show(answer, "Still logged in: a session does not mind a reload.");
  else if (sessionId !== json.sessionId) show(answer, "Another tab has logged in anew.");
  else if (trouble !== "") show(answer, "It answers again, and you are still logged in.");
  if (sessionId !== json.sessionId) enter(json.sessionId);
  byId("who").textContent = json.username;
  // `Date` is cut to seconds, so an answer tells the end to within a second. What we believe stays
  // while it fits, so that the countdown never jumps; else it moves to the edge of what fits.
  const left = Date.parse(json.expiresAt) - date;
  const [earliest, latest] = [sentAt + left - 1_000, receivedAt + left];
  endsAt = Number.isNaN(endsAt) ? earliest : Math.min(Math.max(endsAt, earliest), latest);
  tick();
}

/**
 * The server does not know us any more, and nobody logged out in this tab.
 * @param {Answer} answer
 */
function ended(answer) {
  const why =
    endsAt <= performance.now()
      ? "the TTL reached 0, and the key is gone."
      : "the key is gone early, deleted by hand or by another tab.";
  show(answer, `Redis logged you out: ${why}`);
  leave();
}

/** @param {string} id */
function enter(id) {
  sessionId = id;
  endsAt = Number.NaN;
  byId("who").textContent = "…";
  showId();
  switchTo("in", byId("profile"));
  tick();
}

/** The lines to try keep the old id: that Redis answers (nil) is worth seeing. */
function leave() {
  sessionId = "";
  switchTo("out", username);
}

/**
 * Focus goes along only if it was in what disappears: who is elsewhere on the page stays there.
 * @param {"in" | "out"} state
 * @param {HTMLElement} first
 */
function switchTo(state, first) {
  turn += 1;
  const hadFocus = card.contains(document.activeElement);
  card.dataset["state"] = state;
  if (hadFocus) first.focus();
}

/** Shows the time left, and comes back when the next whole second is over. */
function tick() {
  clearTimeout(tickTimer);
  if (sessionId === "") return;
  const left = endsAt - performance.now();
  const isKnown = !Number.isNaN(left);
  const seconds = Math.max(0, Math.ceil(left / 1_000));
  byId("left").textContent = isKnown ? clockFace(seconds) : "--:--";
  byId("left").classList.toggle("soon", seconds <= LAST_SECONDS);
  byId("ttl").textContent = isKnown ? `TTL ${seconds}` : "TTL";
  if (left <= 0) void look();
  if (isKnown) tickTimer = setTimeout(tick, left > 0 ? left % 1_000 : 1_000);
}

/** @param {number} seconds */
function clockFace(seconds) {
  const two = (/** @type {number} */ part) => String(Math.floor(part) % 60).padStart(2, "0");
  const hours = Math.floor(seconds / 3_600);
  return `${hours > 0 ? `${hours}:` : ""}${two(seconds / 60)}:${two(seconds)}`;
}

function lookLater() {
  clearTimeout(lookTimer);
  lookTimer = setTimeout(look, LOOK_EVERY_MS);
}

/**
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 * @returns {Promise<Answer>}
 */
async function ask(method, path, body) {
  const sentAt = performance.now();
  const answer = { asked: `${method} ${path}`, status: 0, statusText: "no answer", text: "" };
  try {
    const response = await fetch(path, {
      method,
      ...(body && { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    });
    const receivedAt = performance.now();
    const { status, statusText, headers } = response;
    const date = Date.parse(headers.get("date") ?? "") || Date.now();
    const text = await response.text();
    const json = headers.get("content-type")?.includes("json") ? JSON.parse(text) : undefined;
    return { ...answer, status, statusText, text, json, date, sentAt, receivedAt };
  } catch {
    return { ...answer, json: undefined, date: 0, sentAt, receivedAt: performance.now() };
  }
}

/**
 * What went wrong, in words; empty if nothing did.
 * @param {Answer} answer
 */
function failureOf({ status, json }) {
  if (status === 0) return "The server does not answer. Is it still running?";
  if (status === 503) return "The server cannot reach Redis, so it says neither yes nor no.";
  if (status === 400)
    return `The server refused this: ${json?.errors?.[0]?.message ?? json?.title}.`;
  return status < 400 ? "" : String(json?.title ?? "The server has a problem.");
}

/** @param {Answer} answer @param {string} news */
function show({ asked, status, statusText, text, json }, news) {
  byId("asked").textContent = asked;
  byId("status").textContent = `${status || "·"} ${statusText}`;
  byId("status").className = status >= 200 && status < 300 ? "good" : "bad";
  byId("news").textContent = news;
  // One line a field: as readable as JSON that is indented all the way, and half as long.
  const fields = Object.entries(json ?? {}).map(
    ([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)}`,
  );
  byId("body").textContent = json ? `{\n${fields.join(",\n")}\n}` : text;
}

/** Until there is an id, the lines that need one cannot be copied. */
function showId() {
  for (const line of lines) {
    const [place, button] = [line.querySelector("b"), line.querySelector("button")];
    if (place && sessionId) place.textContent = sessionId;
    if (place && button) button.disabled = sessionId === "";
  }
}

/** @param {HTMLLIElement} line */
async function copy(line) {
  const code = line.querySelector("code");
  const button = line.querySelector("button");
  if (!code || !button) return;
  // The browser may refuse, or have no clipboard (plain http on another machine): then by hand.
  const isCopied = await navigator.clipboard?.writeText(code.textContent).then(
    () => true,
    () => false,
  );
  if (!isCopied) getSelection()?.selectAllChildren(code);
  for (const other of document.querySelectorAll("li button")) other.textContent = "Copy";
  button.textContent = isCopied ? "Copied" : "Selected";
  byId("copied").textContent = `${isCopied ? "Copied" : "Copy by hand"}: ${code.textContent}`;
}

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @returns {T}
 */
function byId(id) {
  return /** @type {any} */ (document.getElementById(id));
}
