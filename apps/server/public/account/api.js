/** The server as this page knows it: by its HTTP API, and by what an answer means to a person. */

/**
 * @typedef {object} Answer
 * @property {number} status 0: no answer came
 * @property {string} code of a problem (RFC 9457); empty if it is none
 * @property {any} json the body, if it is JSON
 * @property {number} now the server's clock when it answered, epoch ms, cut to whole seconds
 * @property {number} retryAfterMs when to try again; 0: it does not say
 */

const ANSWER_LIMIT_MS = 10_000;
const MALFORMED = Symbol("malformed");

/**
 * Never throws: no answer is an answer too.
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 * @returns {Promise<Answer>}
 */
export async function ask(method, path, body) {
  try {
    const response = await fetch(path, {
      method,
      ...(body && { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    });
    const { status, headers } = response;
    const text = await response.text();
    const isJson = text !== "" && headers.get("content-type")?.includes("json");
    const json = isJson ? parsed(text) : undefined;
    // What stands between may answer in its own words, cut short: that is no word of the server's.
    if (json === MALFORMED) return noAnswer();
    return {
      status,
      code: String(json?.code ?? ""),
      json,
      now: Date.parse(headers.get("date") ?? "") || Date.now(),
      retryAfterMs: 1_000 * (Number(headers.get("retry-after")) || 0),
    };
  } catch {
    return noAnswer();
  }
}

/** @param {Answer} answer */
export function isGood({ status }) {
  return status >= 200 && status < 300;
}

/**
 * The server says that there is no session, and not merely that a password is wrong.
 * @param {Answer} answer
 */
export function isLoggedOut({ code }) {
  return code === "invalid_session";
}

/**
 * What went wrong, as sentences.
 * @param {Answer} answer
 */
export function wordsFor({ status, code, json }) {
  if (status === 0) {
    return "The server does not answer. Nothing was lost: try again in a moment.";
  }
  const title = json?.title ? `${json.title}.` : `The server answered ${status}.`;
  if (code === "not_revoked") return `${title} Sign out once more in a moment, to be sure.`;
  return status === 503 ? `${title} Nothing was lost: try again in a moment.` : title;
}

/** @returns {Answer} */
function noAnswer() {
  return { status: 0, code: "", json: undefined, now: Date.now(), retryAfterMs: 0 };
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return MALFORMED;
  }
}
