/** The handle of one request on its session: what your handler holds. */
import { type CookieSettings, clearCookieLine, cookieValues, setCookieLine } from "./cookie.ts";
import { type Credential, presentedTokens } from "./credential.ts";
import { forged } from "./csrf.ts";
import { SessionData, tooLarge } from "./data.ts";
import { type Duration, parseDuration } from "./duration.ts";
import { cannotSay, SessionError } from "./errors.ts";
import { frozen } from "./frozen.ts";
import type { Head } from "./head.ts";
import { refuseUnknown } from "./options.ts";
import { isFresh } from "./policy.ts";
import { checkUser, recordWith, type SessionRecord } from "./record.ts";
import type { Held, Relogin, SessionActions, Values } from "./session-actions.ts";
import {
  checkLogin,
  checkRotate,
  type LoginOptions,
  type RotateOptions,
} from "./session-options.ts";
import type { Standing } from "./standing.ts";
import type { SessionId } from "./token.ts";

export type { LoginOptions, RotateOptions };

/**
 * The three answers to "whose token is this?". `invalid` is the store's word, `unknown` means that
 * the store could not say: answer 503, never 401, and leave the cookie alone.
 */
export type Answer =
  | { readonly status: "valid"; readonly record: SessionRecord }
  | { readonly status: "invalid" }
  | { readonly status: "unknown"; readonly cause: unknown };

export interface Login {
  readonly sid: SessionId;
  /** The secret of this login. Hand it to its holder once; never log it. */
  readonly token: string;
  /** When it ends if it is not used again. Epoch ms by the store's clock. */
  readonly expiresAt: number;
}

/** What became of the changes: `gone`, the session ended meanwhile; `conflict`, see `ifUnchanged`. */
export type CommitOutcome = "unchanged" | "updated" | "conflict" | "gone";

interface SessionContext {
  readonly head: Head;
  readonly credential: Credential;
  readonly answer: Answer;
  /** What `data` holds at first: as the schema sees it, defaults filled in. */
  readonly values: (answer: Answer) => Values;
  readonly cookie: CookieSettings;
  readonly actions: SessionActions;
  readonly isForged: boolean;
  readonly readOnly: boolean;
}

const DONE: Promise<void> = Promise.resolve();

export class Session<Data = Record<string, unknown>> {
  readonly #context: SessionContext;
  #answer: Answer;
  /** What opens the session, and how its holder keeps it. */
  #token: string | undefined;
  #transport: "cookie" | "header";
  /** Made when it is asked for: most requests look at `user` alone. */
  #made: SessionData | undefined;
  /** The session that this request came with or has begun; also if it has ended since. */
  #last: SessionRecord | undefined;
  /** `data` was handed out: until then nobody can have changed it. */
  #isDataOut = false;
  /** What a commit came to is the caller's business now: it is not tried again behind their back. */
  #isTold = false;
  #pendingCount = 0;
  #failures: unknown[] = [];
  /** Settles when what was asked of this handle so far is done. */
  #turn: Promise<void> = DONE;

  constructor(context: SessionContext) {
    this.#context = context;
    this.#answer = context.answer;
    this.#last = context.answer.status === "valid" ? context.answer.record : undefined;
    const { credential } = context;
    this.#token = credential.kind === "token" ? credential.token : undefined;
    this.#transport =
      credential.kind === "token" && credential.transport !== "cookie" ? "header" : "cookie";
    // `session.cart = []`, as other libraries have it, would be kept nowhere.
    Object.preventExtensions(this);
  }

  get #data(): SessionData {
    this.#made ??= new SessionData(this.#context.values(this.#context.answer));
    return this.#made;
  }

  /** `valid`, `invalid` (no, bad, expired or revoked credential) or `unknown` (answer 503). */
  get status(): Answer["status"] {
    return this.#answer.status;
  }

  /**
   * Whether a page of another origin may have made a browser send this request: then its cookie did
   * not count, and nothing may give it another. Answer 403; `requireSession` does.
   */
  get isForged(): boolean {
    return this.#context.isForged;
  }

  /** Whether all that was changed is written, and nothing that was begun is still under way. */
  get isSettled(): boolean {
    if (this.#pendingCount > 0) return false;
    if (!this.#isDataOut || this.#isTold || this.#context.readOnly) return true;
    try {
      return this.#data.delta() === undefined;
    } catch {
      return false;
    }
  }

  /** Whether the user logged in within `maxAge`. False where the layout keeps no such instant. */
  isFresh(maxAge: Duration): boolean {
    const record = this.#record();
    return isFresh(record, parseDuration(maxAge, "maxAge"));
  }

  /** Who is logged in; undefined if nobody. Throws "store-unavailable" while that is unknown. */
  get user(): string | undefined {
    return this.#record()?.user;
  }

  /** The public handle. Throws "store-unavailable" while the answer is unknown. */
  get sid(): SessionId | undefined {
    return this.#record()?.sid;
  }

  /**
   * The fields of the session, read and changed like those of an object; `commit` writes them.
   * Assigning what JSON cannot keep throws "invalid-data" with the path.
   */
  get data(): Data {
    this.#record();
    this.#isDataOut = true;
    const { view } = this.#data;
    return (this.#context.readOnly ? frozen({ ...view }) : view) as Data;
  }

  /** Epoch ms by the store's clock. Undefined where the layout keeps none, or without session. */
  get createdAt(): number | undefined {
    return this.#record()?.createdAt;
  }

  /** When its user last logged in. Epoch ms by the store's clock; undefined as `createdAt`. */
  get authTime(): number | undefined {
    return this.#record()?.authTime;
  }

  /** When the session ends if nothing else happens. Epoch ms by the store's clock. */
  get expiresAt(): number | undefined {
    return this.#record()?.expiresAt;
  }

  /** The end that no use of the session can move. Epoch ms by the store's clock. */
  get absoluteExpiresAt(): number | undefined {
    const record = this.#record();
    return record?.absoluteExpiresAt ?? record?.expiresAt;
  }

  /** What its last login said of the device. */
  get device(): string | undefined {
    return this.#record()?.device;
  }

  /**
   * Begins a session for a user whose credentials you have checked, with a token that nobody knew
   * before: what was known before a login is worth nothing after it (session fixation). If the
   * request came with a session of the same user, that one goes on, its data and all, under a new id,
   * for another `absoluteTimeout`. Any other ends first, and its data with it: in this order no crash
   * leaves both alive. Of two logins at once over one session, one goes on with it, the other begins
   * its own. Rejects with "invalid-user", "session-limit" or "stale-credential"; with
   * "store-unavailable", and then a session that nobody holds may count for a while.
   */
  login(user: string, options: LoginOptions = {}): Promise<Login> {
    return this.#inTurn(() => this.#login(user, options));
  }

  async #login(user: string, options: LoginOptions): Promise<Login> {
    checkLogin(options);
    const { transport = "cookie", generation, keep = [], device } = options;
    checkUser(user);
    this.#checkWritable(transport === "cookie");
    const held = await this.#held();
    if (held.length === 1 && held[0]?.user === user) {
      const renewed = await this.#renew({ grace: false, login: { generation, device } });
      if (renewed !== undefined) return this.#adopt(renewed, transport);
    }
    // What a user had is nobody else's, also if the session has ended meanwhile.
    const isAnyones = [...held, this.#last].every((record) => record?.user === undefined);
    const texts = isAnyones ? this.#data.texts() : new Map();
    const data = new Map(keep.flatMap((name) => pair(name, texts.get(name))));
    if (data.size > 0) await this.#context.actions.check(data);
    const isDuplicate = this.#context.credential.kind === "duplicate";
    for (const record of held) {
      // One of the same user that could not be renewed is dead, or another login has it now.
      // With a duplicated cookie none is renewed: what it names must not outlive this login.
      if (record.user !== user || isDuplicate) await this.#context.actions.end(record, "login");
    }
    this.#answer = { status: "invalid" };
    this.#data.reset({});
    const begun = await this.#context.actions.begin({ user, data, device, generation });
    this.#data.reset(begun.values);
    return this.#adopt(begun, transport);
  }

  /**
   * Gives the session a new token, as a cookie if the old one came as one, and keeps its data. The old
   * token works a moment longer, the grace, so that requests under way with it are not logged out.
   * Asked for again in that time it gives the same new token, to whoever has the old or the new one.
   * Undefined if there is no session, or it ended meanwhile. Rejects with "store-unavailable"; then
   * the old token works on, or (`grace: false`) perhaps neither does.
   */
  rotate(options: RotateOptions = {}): Promise<Login | undefined> {
    return this.#inTurn(async () => {
      checkRotate(options);
      this.#checkWritable(this.#transport === "cookie");
      const renewed = await this.#renew(options);
      return renewed && this.#adopt(renewed, this.#transport);
    });
  }

  async #renew(how: RotateOptions & { readonly login?: Relogin }): Promise<Held | undefined> {
    const record = this.#record();
    const token = this.#token;
    if (record === undefined || token === undefined) return undefined;
    const renewed = await this.#context.actions.rotate({ token, record }, how);
    if (renewed === undefined) this.#answer = { status: "invalid" };
    return renewed;
  }

  /**
   * Writes what was changed in `data`, and nothing else: fields that other requests changed stay
   * theirs. Without a session, changes begin an anonymous one. Writes nothing if nothing changed.
   * Rejects with "invalid-data" if the schema refuses the data, with "store-unavailable".
   *
   * @param ifUnchanged write only if nobody else has written since this request began; else `conflict`
   */
  commit(options: { readonly ifUnchanged?: boolean } = {}): Promise<CommitOutcome> {
    refuseUnknown(options, ["ifUnchanged"], "commit");
    return this.#inTurn(() => this.#write(options.ifUnchanged ?? false));
  }

  /** One after the other: two commits or logins at once would begin two sessions. */
  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    this.#pendingCount++;
    const run = this.#turn.then(step);
    const settled = (): void => {
      this.#pendingCount--;
    };
    this.#turn = run.then(settled, (error: unknown) => {
      settled();
      this.#failures.push(error);
    });
    const told = this.#turn.then(() => run);
    // A forgotten `await`: `idle` tells it. Where the head has left it cannot, and nobody else would.
    if (this.#context.head.isOpen) told.catch(() => {});
    return told;
  }

  /**
   * For adapters, when the response is due: waits for what was asked of this session and is not done.
   * Rejects with what fails of that: the handler has not waited for it, so it cannot know.
   */
  async idle(): Promise<void> {
    if (this.#pendingCount === 0) return;
    this.#failures = [];
    await this.#turn;
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  /**
   * Ends the session; doing so without one succeeds. A request that names several, by any of header,
   * bearer and cookie, ends all of them, also those whose token has been rotated away meanwhile. A
   * cookie that the request brought is cleared in any case. Rejects with "store-unavailable" if a
   * session may still live.
   */
  logout(): Promise<void> {
    return this.#inTurn(() => this.#logout());
  }

  async #logout(): Promise<void> {
    const { head, cookie, actions } = this.#context;
    this.#checkWritable(false);
    if (this.isForged) throw forged();
    const cookies = cookieValues(head.exchange.headers("cookie"), cookie.name);
    // Too late for the head, the session ends all the same: then the cookie opens nothing.
    if (cookies.length > 0 && head.isOpen) head.setCookie(clearCookieLine(cookie));
    // What could not be said a moment ago is not asked again: two waits in one request are one too many.
    this.#record();
    // Its own too, if that opened nothing: it may have been rotated away, and who sends it means it.
    const known = this.#last === undefined ? undefined : this.#token;
    const tokens = presentedTokens(head.exchange, cookie.name);
    const meant = await actions.meant(tokens.filter((token) => token !== known));
    // Also one that a commit has found gone: rotated, it goes on, and its holder wants it ended.
    if (this.#last !== undefined) await actions.end(this.#last, "logout");
    for (const sid of new Set(meant)) {
      if (sid !== this.#last?.sid) await actions.end({ sid }, "logout");
    }
    this.#last = undefined;
    this.#answer = { status: "invalid" };
    this.#data.reset({});
  }

  /**
   * How it stands by now, for whoever keeps a connection open on its behalf, such as a WebSocket. No
   * use of it: nothing is prolonged, nobody hears of it, the handle stays as it is. Never rejects.
   */
  async peek(): Promise<Standing> {
    return this.#token === undefined ? { status: "gone" } : this.#context.actions.peek(this.#token);
  }

  /** The sessions that this request can name: its own, or all of a duplicated credential. */
  async #held(): Promise<readonly SessionRecord[]> {
    const { credential, actions } = this.#context;
    const record = this.#record();
    if (record !== undefined) return [record];
    return credential.kind === "duplicate" ? actions.opened(credential.tokens) : [];
  }

  async #write(ifUnchanged: boolean): Promise<CommitOutcome> {
    this.#isTold = true;
    const outcome = await this.#writeChanges(ifUnchanged);
    this.#isTold = outcome === "gone" || outcome === "conflict";
    return outcome;
  }

  async #writeChanges(ifUnchanged: boolean): Promise<CommitOutcome> {
    const record = this.#record();
    const delta = this.#data.delta();
    if (delta === undefined) return "unchanged";
    await this.#context.actions.check(this.#data.texts());
    if (record === undefined) {
      // A session that ended during this request must not go on as an anonymous one.
      if (this.#last !== undefined) return "gone";
      this.#checkWritable(true);
      const begun = await this.#context.actions.begin({ user: undefined, data: delta.set });
      this.#adopt(begun, "cookie");
      this.#data.settle(delta);
      return "updated";
    }
    const ifVersion = ifUnchanged ? record.version : undefined;
    const written = await this.#context.actions.update(record.sid, delta, ifVersion);
    // What others wrote counts too, so the store may refuse what alone was small enough.
    if (written.outcome === "too-large") throw tooLarge();
    if (written.outcome === "updated" || written.outcome === "unchanged") {
      // If others wrote in between, we have not seen what: a later `ifUnchanged` must still conflict.
      const isOurs = written.outcome === "updated" && written.version === record.version + 1;
      const version = isOurs ? written.version : record.version;
      this.#answer = { status: "valid", record: recordWith(record, { version }) };
      this.#data.settle(delta);
    }
    if (written.outcome === "gone") this.#answer = { status: "invalid" };
    return written.outcome;
  }

  #adopt({ token, record }: Held, transport: "cookie" | "header"): Login {
    this.#answer = { status: "valid", record };
    this.#token = token;
    this.#transport = transport;
    this.#last = record;
    if (transport === "cookie") {
      this.#context.head.setCookie(setCookieLine(this.#context.cookie, token));
    }
    return { sid: record.sid, token, expiresAt: record.expiresAt };
  }

  /** Before anything is changed. @param setsCookie the change comes with a cookie */
  #checkWritable(setsCookie: boolean): void {
    const { readOnly, head } = this.#context;
    if (readOnly) throw new SessionError("read-only", "this session was opened readOnly");
    if (setsCookie && this.isForged) throw forged();
    if (setsCookie) head.checkOpen();
  }

  #record(): SessionRecord | undefined {
    if (this.#answer.status === "unknown") throw cannotSay(this.#answer.cause);
    return this.#answer.status === "valid" ? this.#answer.record : undefined;
  }
}

function pair(name: string, text: string | undefined): [string, string][] {
  return text === undefined ? [] : [[name, text]];
}
