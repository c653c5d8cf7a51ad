/** A few at a time, a few more waiting, and the rest turned away: memory and CPU stay bounded. */

export interface KdfQueueOptions {
  /** Running at once. */
  readonly concurrency: number;
  /** Waiting, at most. */
  readonly waitingMax: number;
}

interface Waiter {
  /** True: it is your turn. False: you are not waited for any more. */
  readonly go: (isTurn: boolean) => void;
}

export class KdfQueue {
  readonly #concurrency: number;
  readonly #waitingMax: number;
  /** First come, first served; a Set, so that who leaves from the middle costs nothing. */
  readonly #waiting = new Set<Waiter>();
  #running = 0;

  constructor({ concurrency, waitingMax }: KdfQueueOptions) {
    this.#concurrency = concurrency;
    this.#waitingMax = waitingMax;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * What `work` resolves to, once it is its turn. "busy": it was not begun, because too many wait or
   * because `signal` was aborted first. Work that was begun is not stopped: nothing can.
   */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T | "busy"> {
    if (!(await this.#turn(signal))) return "busy";
    try {
      return await work();
    } finally {
      this.#next();
    }
  }

  async #turn(signal: AbortSignal | undefined): Promise<boolean> {
    if (signal?.aborted) return false;
    if (this.#running < this.#concurrency) {
      this.#running++;
      return true;
    }
    if (this.#waiting.size >= this.#waitingMax) return false;
    return new Promise((resolve) => {
      const leave = (): void => waiter.go(false);
      const waiter: Waiter = {
        go: (isTurn) => {
          this.#waiting.delete(waiter);
          signal?.removeEventListener("abort", leave);
          resolve(isTurn);
        },
      };
      this.#waiting.add(waiter);
      signal?.addEventListener("abort", leave);
    });
  }

  /** Hands the place on; nobody else can take it in between. */
  #next(): void {
    const [first] = this.#waiting;
    if (first === undefined) this.#running--;
    else first.go(true);
  }
}
