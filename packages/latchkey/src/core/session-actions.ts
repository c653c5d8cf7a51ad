/** What the handle of a session asks of its manager, and in which words. */
import type { Delta } from "./data.ts";
import type { Fields, SessionRecord } from "./record.ts";
import type { RotateOptions } from "./session-options.ts";
import type { Standing } from "./standing.ts";
import type { UpdateOutcome } from "./store.ts";
import type { SessionId } from "./token.ts";

/** Which session to begin. */
export interface Beginning {
  readonly user: string | undefined;
  readonly data: Delta["set"];
  readonly device?: string | undefined;
  readonly generation?: number | undefined;
}

/** A live session, and the token that opens it. */
export interface Held {
  readonly token: string;
  readonly record: SessionRecord;
}

/** What a login over one's own session renews. */
export interface Relogin {
  readonly generation: number | undefined;
  readonly device: string | undefined;
}

/** The fields of `session.data`. */
export type Values = Readonly<Record<string, unknown>>;

/** A session that has begun. */
export interface Begun extends Held {
  /** Its data as the schema sees it, defaults filled in. */
  readonly values: Values;
}

/** Which session to end; undefined user: whoever's it is. */
export interface Ending {
  readonly sid: SessionId;
  readonly user?: string | undefined;
}

/** What a handle asks of its manager. */
export interface SessionActions {
  begin(session: Beginning): Promise<Begun>;
  end(session: Ending, reason: "login" | "logout"): Promise<void>;
  /** The sessions that these tokens open. Rejects with "store-unavailable" if that is unknown. */
  opened(tokens: readonly string[]): Promise<readonly SessionRecord[]>;
  /** The sessions that a logout with these tokens means, also where they were rotated away. */
  meant(tokens: readonly string[]): Promise<readonly SessionId[]>;
  peek(token: string): Promise<Standing>;
  update(sid: SessionId, delta: Delta, ifVersion: number | undefined): Promise<UpdateOutcome>;
  /** Undefined: the session is dead. Rejects with "stale-credential", "store-unavailable". */
  rotate(held: Held, how: RotateOptions & { readonly login?: Relogin }): Promise<Held | undefined>;
  /** Rejects with "invalid-data" if the fields are too much, or the schema refuses them. */
  check(data: Fields): Promise<void>;
}
