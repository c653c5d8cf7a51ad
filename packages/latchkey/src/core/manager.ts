/** ★ A request becomes a session here: `open` reads its token, asks the store, judges the answer. */
import { monotonicMs } from "./clock.ts";
import { readCredential } from "./credential.ts";
import { isForged } from "./csrf.ts";
import { checkSize, fitted, parseFields, validate } from "./data.ts";
import { cannotSay, SessionError } from "./errors.ts";
import type { RefuseReason, SessionListener } from "./events.ts";
import type { HttpExchange } from "./exchange.ts";
import { Head } from "./head.ts";
import { checkPolicy, fits, isTouchDue, openingOf, type Policy } from "./policy.ts";
import { checkUser, type Fields, recordWith, type SessionRecord } from "./record.ts";
import { checkRevoke, type RevokeOptions, type RevokeUserOptions } from "./revoke-options.ts";
import { type RotationWish, rotate } from "./rotation.ts";
import { type Answer, Session } from "./session.ts";
import type { Beginning, Begun, Held, SessionActions, Values } from "./session-actions.ts";
import { shortened } from "./session-options.ts";
import { checkOptions, type SessionsOptions } from "./sessions-options.ts";
import type { StandardSchema } from "./standard-schema.ts";
import { standingOf } from "./standing.ts";
import { type CachingStore, isCaching, type SessionStore } from "./store.ts";
import {
  formatToken,
  hashSecret,
  mintSecret,
  type ParsedToken,
  parseSessionId,
  parseToken,
  type RandomBytes,
  type SessionId,
  systemRandom,
  TOKEN_LENGTH,
} from "./token.ts";
import { endUnheld } from "./unheld.ts";
import { type OpenOptions, Visit } from "./visit.ts";
import { once, systemWarn, type Warn } from "./warning.ts";

/** A session as lists show it. Instants are epoch ms by the store's clock. */
export type SessionInfo = Pick<
  SessionRecord,
  "sid" | "user" | "device" | "createdAt" | "lastSeenAt" | "expiresAt" | "absoluteExpiresAt"
>;

const INVALID: Answer = { status: "invalid" };
const NO_CREDENTIAL = { kind: "none" } as const;
/** With a touch of at most 250 ms after it, a request is opened within 400 ms. */
const SLOW_LOAD_MS = 150;
/**
 * A logout looks at so many tokens: as many cookies as a browser surely keeps for a host (RFC 6265bis
 * §6.1), in case a sibling host has planted some before ours. A header has room for 560, and each is
 * a round trip.
 */
const LOGOUT_TOKENS_MAX = 50;
/** Fresh ids to draw before the source of randomness counts as broken. */
const MINT_TRIES = 3;

export type { RevokeOptions, RevokeUserOptions };

/** The sessions of an application. Throws `invalid-option` with the name of the field. */
export function createSessions<Data = Record<string, unknown>>(
  options: SessionsOptions<Data>,
): SessionManager<Data> {
  return new SessionManager(options);
}

export class SessionManager<Data = Record<string, unknown>> {
  readonly #store: SessionStore;
  /** The same store, if it has a memory. */
  readonly #cache: CachingStore | undefined;
  readonly #policy: Policy;
  readonly #schema: StandardSchema<Data> | undefined;
  readonly #random: RandomBytes;
  readonly #listener: SessionListener | undefined;
  readonly #warn: Warn;

  constructor(options: SessionsOptions<Data>) {
    checkOptions(options);
    this.#store = options.store;
    this.#cache = isCaching(options.store) ? options.store : undefined;
    this.#policy = checkPolicy(options);
    this.#schema = options.data;
    this.#random = options.random ?? systemRandom;
    this.#listener = options.onEvent;
    this.#warn = once(options.warn ?? systemWarn);
  }

  /** The session of a request. What the store could not say is `status: "unknown"`, no rejection. */
  async open(exchange: HttpExchange, options: OpenOptions = {}): Promise<Session<Data>> {
    const opening = this.#visit(exchange, options);
    const visit = opening instanceof Promise ? await opening : opening;
    visit.put();
    return visit.session;
  }

  /** For adapters: `open`, and what is to be done when the response begins and ends. */
  async visit(exchange: HttpExchange, options: OpenOptions = {}): Promise<Visit<Data>> {
    return this.#visit(exchange, options);
  }

  /** No promise where there is nothing to wait for: a near cache knows the token, or there is none. */
  #visit(exchange: HttpExchange, options: OpenOptions): Visit<Data> | Promise<Visit<Data>> {
    const { readOnly = false, fresh = false } = options;
    const { cookie, origins } = this.#policy;
    const head = new Head(exchange, cookie, this.#warn);
    const read = readCredential(exchange, cookie.name);
    const forged =
      (read.kind === "none" || read.transport === "cookie") && isForged(exchange, origins);
    if (forged && read.kind !== "none") this.#refuse("csrf");
    const credential = forged ? NO_CREDENTIAL : read;
    if (credential.kind === "duplicate") this.#refuse("duplicate");
    const token = credential.kind === "token" ? credential.token : undefined;
    const actions = this.#actions;
    const visit = (answer: Answer, values: (answer: Answer) => Values): Visit<Data> => {
      // A literal: spreads cost a third of a check from memory.
      const context = {
        head,
        credential,
        answer,
        values,
        cookie,
        actions,
        isForged: forged,
        readOnly,
      };
      return new Visit(new Session<Data>(context), head, this.#warn);
    };
    const answer = token === undefined ? INVALID : this.#answer(token, readOnly, fresh);
    if (!(answer instanceof Promise) && this.#schema === undefined) return visit(answer, valuesOf);
    return Promise.resolve(answer).then(async (it) => visit(it, await this.#values(it)));
  }

  /** Whose token is this? For transports that are no HTTP request; `open` asks the same way. */
  async check(token: string, { fresh = false }: Pick<OpenOptions, "fresh"> = {}): Promise<Answer> {
    const asked = this.#answer(token, false, fresh);
    const answer = asked instanceof Promise ? await asked : asked;
    if (answer.status !== "valid") return answer;
    return { status: "valid", record: recordWith(answer.record) };
  }

  #answer(token: string, readOnly: boolean, fresh: boolean): Answer | Promise<Answer> {
    const record = fresh ? undefined : this.#recall(token);
    if (record === undefined) return this.#ask(token, readOnly);
    const isDue = !readOnly && isTouchDue(record, this.#policy.touchIntervalMs);
    return isDue ? this.#touched(record) : { status: "valid", record };
  }

  /** What a near cache knows of this token. */
  #recall(token: string): SessionRecord | undefined {
    // A cache may serve a manager of another layout as well, whose tokens are no tokens here.
    if (token.length !== TOKEN_LENGTH[this.#policy.layout]) return undefined;
    return this.#cache?.recall(token);
  }

  async #ask(token: string, readOnly: boolean): Promise<Answer> {
    const { layout, touchIntervalMs } = this.#policy;
    const parsed = parseToken(token, layout);
    if (parsed === undefined) return this.#refuse("malformed");
    const { sid } = parsed;
    const askedAt = monotonicMs();
    try {
      const loaded = await this.#store.load(sid);
      if (loaded.outcome === "rotated") {
        const isIts = fits(parsed.secret, loaded.secretHash);
        return isIts ? this.#reused(sid, loaded.lateMs) : this.#refuse("wrong-secret", sid);
      }
      if (loaded.outcome !== "found") return this.#refuse(loaded.outcome, sid);
      const { record } = loaded;
      const opening = openingOf(parsed, record);
      if (opening === "wrong") return this.#refuse("wrong-secret", sid);
      if (opening === "late")
        return this.#reused(sid, -(record.previous?.graceMs ?? 0), record.user);
      if (parseFields(record.data) === undefined) return this.#refuse("corrupt", sid);
      // An answer that was slow to come leaves no time for a touch: the next request tries again.
      const isSlow = monotonicMs() - askedAt > SLOW_LOAD_MS;
      const isDue = !readOnly && !isSlow && isTouchDue(record, touchIntervalMs);
      if (isDue) return await this.#touched(record);
      // One in its grace is not remembered: when that ends, nothing changes in the store.
      if (opening === "opens") this.#cache?.remember(token, record);
      return { status: "valid", record };
    } catch (cause) {
      return { status: "unknown", cause };
    }
  }

  async #touched(record: SessionRecord): Promise<Answer> {
    const { life, touchIntervalMs } = this.#policy;
    try {
      const touched = await this.#store.touch(record, life, touchIntervalMs);
      if (touched.outcome === "gone") return this.#refuse("missing", record.sid);
      const { expiresAt, remainingMs } = touched;
      return { status: "valid", record: recordWith(record, { expiresAt, remainingMs }) };
    } catch {
      // The store has just said that the session lives. A Redis that answers but takes no writes must
      // not log people out; the next request tries again.
      return { status: "valid", record };
    }
  }

  /** The live sessions of a user, the one that ends first coming first; nothing in it is a secret. */
  async list(user: string): Promise<readonly SessionInfo[]> {
    const { records, expired } = await this.#store.list(checkUser(user));
    this.#expired(expired, user);
    return records.map((record) => ({
      ...{ sid: record.sid, user: record.user, device: record.device },
      ...{ createdAt: record.createdAt, lastSeenAt: record.lastSeenAt },
      ...{ expiresAt: record.expiresAt, absoluteExpiresAt: record.absoluteExpiresAt },
    }));
  }

  /**
   * Ends somebody's session by its public handle, on every server. A dead or unknown one: `absent`.
   * Throws "invalid-sid" for what is no session id.
   */
  async revoke(sid: string, options: RevokeOptions = {}): Promise<"revoked" | "absent"> {
    checkRevoke(options, ["owner"]);
    const { owner, reason = "revoked", actor } = options;
    const checked = checkSid(sid, "sid");
    const user = owner === undefined ? undefined : checkUser(owner);
    const outcome = await this.#store.revoke(checked, user);
    if (outcome === "revoked") {
      this.#emit({ type: "revoked", sid: checked, user, reason, actor });
    }
    return outcome;
  }

  /**
   * Ends all sessions of a user at one moment, on every server, but for `except`: also those that no
   * list knows any more, and logins under way that carry an older `generation`. Resolves to the
   * number of sessions that were cleared away. Throws "invalid-sid" if `except` is no session id.
   */
  async revokeUser(user: string, options: RevokeUserOptions = {}): Promise<number> {
    checkRevoke(options, ["except"]);
    const { except, reason = "revoked", actor } = options;
    const kept = except === undefined ? undefined : checkSid(except, "except");
    const count = await this.#store.revokeUser(checkUser(user), kept);
    this.#emit({ type: "user-revoked", user, reason, actor, count });
    return count;
  }

  /** Read it before you check a credential and give it to `login`: see `LoginOptions`. */
  async generation(user: string): Promise<number> {
    return this.#store.generation(checkUser(user));
  }

  readonly #actions: SessionActions = {
    begin: (session) => this.#begin(session),
    check: (data) => this.#checkData(data),
    end: async ({ sid, user }, reason) => {
      const outcome = await this.#store.revoke(sid, user);
      if (outcome === "revoked") this.#emit({ type: "revoked", sid, user, reason, actor: user });
    },
    opened: async (tokens) => {
      const answers = await Promise.all(tokens.map((token) => this.check(token)));
      return answers.flatMap((answer) => {
        if (answer.status === "unknown") throw cannotSay(answer.cause);
        return answer.status === "valid" ? [answer.record] : [];
      });
    },
    meant: async (tokens) => {
      const tokensOfOurs = tokens.flatMap((token) => parseToken(token, this.#policy.layout) ?? []);
      const looked = tokensOfOurs.slice(0, LOGOUT_TOKENS_MAX);
      const sids = await Promise.all(looked.map((token) => this.#meant(token)));
      return sids.flatMap((sid) => sid ?? []);
    },
    peek: (token) => standingOf(token, this.#store, this.#policy.layout),
    update: (sid, delta, ifVersion) => this.#store.update(sid, { ...delta, ifVersion }),
    rotate: (held, { grace, login }) => {
      const graceMs = grace === false ? 0 : this.#policy.rotationGraceMs;
      const device = shortened(login?.device);
      return this.#rotate(held, { graceMs, login: login && { ...login, device } });
    },
  };

  /** The session that a token opens or once opened; a logout with it means that one. */
  async #meant(parsed: ParsedToken): Promise<SessionId | undefined> {
    const loaded = await this.#store.load(parsed.sid);
    if (loaded.outcome === "rotated") {
      return fits(parsed.secret, loaded.secretHash) ? parsed.sid : undefined;
    }
    const isIts = loaded.outcome === "found" && openingOf(parsed, loaded.record) !== "wrong";
    return isIts ? loaded.record.sid : undefined;
  }

  async #rotate(held: Held, wish: RotationWish): Promise<Held | undefined> {
    const parts = { store: this.#store, policy: this.#policy, random: this.#random };
    const { sid: from, user } = held.record;
    for (let tries = 0; tries < MINT_TRIES; tries++) {
      const rotated = await rotate(parts, held, wish);
      if ("held" in rotated) {
        const reason = wish.login === undefined ? "rotation" : "login";
        const { sid } = rotated.held.record;
        if (rotated.outcome === "rotated") this.#emit({ type: "rotated", sid, from, user, reason });
        return rotated.held;
      }
      if (rotated.outcome === "gone") {
        this.#refuse("missing", from);
        return undefined;
      }
      if (rotated.outcome === "stale") {
        this.#refuse("stale", undefined, user);
        throw refusal("stale");
      }
    }
    throw idCollision();
  }

  async #begin(session: Beginning): Promise<Begun> {
    const { generation, data } = session;
    const user = session.user === undefined ? undefined : checkUser(session.user);
    const { layout, life, cap } = this.#policy;
    const secret = layout === "split" ? mintSecret(this.#random) : undefined;
    const secretHash = secret === undefined ? undefined : hashSecret(secret);
    const device = shortened(session.device);
    for (let tries = 0; tries < MINT_TRIES; tries++) {
      const sid = this.#store.mintId(user);
      const wanted = { sid, user, secretHash, life, cap, generation, device, data };
      const created = await this.#store.create(wanted).catch((error: unknown) => {
        endUnheld(this.#store, sid, user);
        throw error;
      });
      if (created.outcome === "created") {
        this.#emit({ type: "created", sid, user });
        this.#expired(created.expired, user);
        for (const other of created.evicted) {
          this.#emit({ type: "revoked", sid: other, user, reason: "evicted", actor: undefined });
        }
        const { record } = created;
        const values = await this.#values({ status: "valid", record });
        return { token: formatToken({ sid, secret }), record, values: values() };
      }
      if (created.outcome === "limit") this.#expired(created.expired, user);
      if (created.outcome !== "exists") {
        this.#refuse(created.outcome, undefined, user);
        throw refusal(created.outcome);
      }
    }
    throw idCollision();
  }

  /** Throws "invalid-data" for what is too much, or what the schema refuses. */
  async #checkData(data: Fields): Promise<void> {
    checkSize(data);
    if (this.#schema !== undefined) await validate(this.#schema, parseFields(data) ?? {});
  }

  /** As the schema sees them. */
  async #values(answer: Answer): Promise<() => Values> {
    const values = valuesOf(answer);
    const seen = this.#schema === undefined ? values : await fitted(this.#schema, values);
    return () => seen;
  }

  #refuse(reason: RefuseReason, sid?: SessionId, user?: string): Answer {
    this.#emit({ type: "refused", sid, user, reason });
    return { status: "invalid" };
  }

  #expired(sids: readonly SessionId[], user: string | undefined): void {
    for (const sid of sids) this.#emit({ type: "expired", sid, user });
  }

  /** A token that was rotated away, after its grace. */
  #reused(sid: SessionId, lateMs: number, user?: string): Answer {
    this.#emit({ type: "reused", sid, user, lateMs });
    return { status: "invalid" };
  }

  #emit(event: Parameters<SessionListener>[0]): void {
    // The option says so: what a listener throws, at once or later, must not end a request.
    const ignore = (): void => {};
    try {
      Promise.resolve(this.#listener?.(event)).then(ignore, ignore);
    } catch {
      ignore();
    }
  }
}

/** As they are stored. */
function valuesOf(answer: Answer): Values {
  return answer.status === "valid" ? (parseFields(answer.record.data) ?? {}) : {};
}

function checkSid(sid: string, field: string): SessionId {
  const parsed = parseSessionId(String(sid));
  if (parsed !== undefined) return parsed;
  throw new SessionError("invalid-sid", `${field} must be a session id, not a token`, { field });
}

function idCollision(): SessionError {
  return new SessionError("id-collision", `${MINT_TRIES} fresh session ids were taken`);
}

function refusal(outcome: "limit" | "stale"): SessionError {
  return outcome === "limit"
    ? new SessionError("session-limit", "the user has as many sessions as allowed")
    : new SessionError("stale-credential", "the user's sessions were revoked during this login");
}
