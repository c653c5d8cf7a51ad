/** A client that keeps cookies as a browser does, and a limit to its patience. */

/** Nothing here takes long: who has not answered by then does not answer. */
const LIMIT_MS = 10_000;

export class Browser {
  #cookies;

  constructor(origin, cookies = new Map()) {
    this.origin = origin;
    this.#cookies = new Map(cookies);
  }

  /** One with the same cookies, which goes its own way: an older browser, or another server. */
  copy(origin = this.origin) {
    return new Browser(origin, this.#cookies);
  }

  static with(origin, cookie) {
    const [name, ...value] = cookie.split("=");
    return new Browser(origin, new Map([[name, value.join("=")]]));
  }

  /** A login that is known to have worked: a row says nothing about a session that never was. */
  async logIn(path = "/login?user=ada") {
    await this.change(path);
    if (!(await this.isLoggedIn())) throw new Error("the login did not work");
  }

  /** A change without which its row would tell of something else. */
  async change(path) {
    const answer = await this.post(path);
    if (answer.status !== 200) throw new Error(`${path} was answered ${answer.status}`);
    return answer;
  }

  async isLoggedIn() {
    return (await this.get("/me")).body.user === "ada";
  }

  get(path, options) {
    return this.#send("GET", path, options);
  }

  post(path, options) {
    return this.#send("POST", path, options);
  }

  /**
   * Status 0: no answer in time, or a broken connection.
   * @param onHead called when status and headers are there: a browser follows a redirect then
   */
  async #send(method, path, { limitMs = LIMIT_MS, onHead = () => {} } = {}) {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    try {
      const response = await fetch(`${this.origin}${path}`, {
        method,
        redirect: "manual",
        headers: cookie === "" ? {} : { cookie },
        signal: AbortSignal.timeout(limitMs),
      });
      onHead();
      const lines = response.headers.getSetCookie();
      for (const line of lines) this.#keep(line);
      const body = await response.json().catch(() => ({}));
      return { status: response.status, body, lines, clears: lines.some(isClearing) };
    } catch {
      return { status: 0, body: {}, lines: [], clears: false };
    }
  }

  #keep(line) {
    const [pair = ""] = line.split(";");
    const at = pair.indexOf("=");
    if (isClearing(line)) this.#cookies.delete(pair.slice(0, at));
    else this.#cookies.set(pair.slice(0, at), pair.slice(at + 1));
  }
}

function isClearing(line) {
  if (/;\s*max-age=(0|-\d+)\s*(;|$)/i.test(line)) return true;
  const expires = /;\s*expires=([^;]+)/i.exec(line)?.[1];
  return expires !== undefined && Date.parse(expires) <= Date.now();
}
