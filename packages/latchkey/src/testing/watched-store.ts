/** A store in front of another one, for tests: it counts the calls, holds them up, or cannot say. */
import { SessionError } from "../core/errors.ts";
import type { SessionStore } from "../core/store.ts";

export class WatchedStore implements SessionStore {
  /** The methods that were called, in order. `mintId` asks nobody, and is not among them. */
  readonly calls: string[] = [];
  /** True: every call rejects with "store-unavailable". */
  isDown = false;
  readonly #store: SessionStore;
  #gate: Promise<void> = Promise.resolve();
  #entered = (): void => {};

  constructor(store: SessionStore) {
    this.#store = store;
  }

  readonly mintId: SessionStore["mintId"] = (user, beside) => this.#store.mintId(user, beside);
  readonly create: SessionStore["create"] = (...args) => this.#pass("create", args);
  readonly load: SessionStore["load"] = (...args) => this.#pass("load", args);
  readonly update: SessionStore["update"] = (...args) => this.#pass("update", args);
  readonly touch: SessionStore["touch"] = (...args) => this.#pass("touch", args);
  readonly rotate: SessionStore["rotate"] = (...args) => this.#pass("rotate", args);
  readonly revoke: SessionStore["revoke"] = (...args) => this.#pass("revoke", args);
  readonly revokeUser: SessionStore["revokeUser"] = (...args) => this.#pass("revokeUser", args);
  readonly generation: SessionStore["generation"] = (user) => this.#pass("generation", [user]);
  readonly list: SessionStore["list"] = (user) => this.#pass("list", [user]);
  readonly close: SessionStore["close"] = () => this.#store.close();

  /** Holds up every call from now on. `entered` resolves when one waits; `open` lets them through. */
  hold(): { readonly entered: Promise<void>; open(): void } {
    let open = (): void => {};
    this.#gate = new Promise((resolve) => {
      open = resolve;
    });
    const entered = new Promise<void>((resolve) => {
      this.#entered = resolve;
    });
    return { entered, open };
  }

  async #pass<Name extends Exclude<keyof SessionStore, "mintId" | "close">>(
    name: Name,
    args: Parameters<SessionStore[Name]>,
  ): Promise<Awaited<ReturnType<SessionStore[Name]>>> {
    this.calls.push(name);
    this.#entered();
    await this.#gate;
    if (this.isDown) throw new SessionError("store-unavailable", "the store is down for a test");
    return Reflect.apply(this.#store[name], this.#store, args);
  }
}
