/** Hears from the server, while the page is seen, that its session is about to end or has ended. */

/** Between two tries to listen, where the server refuses: doubled each time. */
const RETRY_MS = { first: 1_000, most: 60_000 };

/**
 * @typedef {object} Hearers
 * @property {(reason: string) => void} ended
 * @property {(expiresAt: string) => void} expiring
 * @property {() => void} lost the stream was refused: ask whether the session is still there
 */

/**
 * A dropped line the browser mends by itself. A refused one ends an EventSource and does not say why.
 * @param {Hearers} hearers
 */
export function createListener({ ended, expiring, lost }) {
  /** @type {EventSource | undefined} */
  let source;
  let retryMs = RETRY_MS.first;
  let timer = 0;

  function stop() {
    clearTimeout(timer);
    source?.close();
    source = undefined;
  }

  /** With the cookie of now: after each change of it, once more. */
  function start() {
    stop();
    const opened = new EventSource("/auth/events");
    source = opened;
    opened.addEventListener("open", () => {
      retryMs = RETRY_MS.first;
    });
    opened.addEventListener("ended", (event) => {
      stop();
      ended(fieldOf(event, "reason"));
    });
    opened.addEventListener("expiring", (event) => expiring(fieldOf(event, "expiresAt")));
    opened.addEventListener("error", () => {
      if (opened.readyState !== EventSource.CLOSED || source !== opened) return;
      source = undefined;
      timer = setTimeout(lost, retryMs);
      retryMs = Math.min(2 * retryMs, RETRY_MS.most);
    });
  }

  return { start, stop, isOn: () => source !== undefined };
}

/**
 * @param {MessageEvent} event
 * @param {string} name
 */
function fieldOf(event, name) {
  try {
    return String(JSON.parse(event.data)[name] ?? "");
  } catch {
    return "";
  }
}
