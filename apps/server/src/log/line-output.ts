/**
 * Lines on their way to a file descriptor. Nobody waits for them: process.stdout blocks the whole
 * process while the reader of its pipe does not read, and a log must not stop a login. What does
 * not fit into the buffer, or cannot be written, is lost and counted.
 */
import { write, writeSync } from "node:fs";

export interface LineOutput {
  /** @param line ends in a line break */
  write(line: string): void;
  /** Lines lost so far. */
  readonly lost: number;
}

/** Some 10,000 lines, for a reader that has stopped. */
export const BUFFER_MAX_CHARS: number = 4 * 1_048_576;
/** A descriptor that somebody has set to non-blocking may be full for now. */
const FULL_PAUSE_MS = 20;

export class FileOutput implements LineOutput {
  readonly #fd: number;
  readonly #onRecovered: (count: number) => void;
  #waiting: string[] = [];
  #waitingChars = 0;
  #isWriting = false;
  #lost = 0;
  #told = 0;

  /**
   * At the end of the process what is waiting is written, which does wait for a reader.
   * @param onRecovered hears, once lines get through again, how many were lost before
   */
  constructor(fd: number, onRecovered: (count: number) => void) {
    this.#fd = fd;
    this.#onRecovered = onRecovered;
    process.on("exit", () => this.#flush());
  }

  get lost(): number {
    return this.#lost;
  }

  write(line: string): void {
    if (this.#waitingChars + line.length > BUFFER_MAX_CHARS) {
      this.#lost += 1;
      return;
    }
    this.#waiting.push(line);
    this.#waitingChars += line.length;
    if (!this.#isWriting) this.#next();
  }

  #next(): void {
    this.#isWriting = this.#waiting.length > 0;
    if (this.#isWriting) this.#send(...this.#take());
  }

  #take(): [bytes: Buffer, lines: number] {
    const lines = this.#waiting;
    this.#waiting = [];
    this.#waitingChars = 0;
    return [Buffer.from(lines.join("")), lines.length];
  }

  /** One write at a time: it holds one of the few threads that Node has for files. */
  #send(bytes: Buffer, lines: number): void {
    write(this.#fd, bytes, (error, written) => {
      if (error?.code === "EAGAIN") {
        setTimeout(() => this.#send(bytes, lines), FULL_PAUSE_MS);
      } else if (error !== null) {
        // A full disk, a closed pipe: the next lines may fare better, these are not kept for it.
        this.#lost += lines;
        this.#next();
      } else if (written < bytes.length) {
        this.#send(bytes.subarray(written), lines);
      } else {
        this.#next();
        // After it: a full buffer would lose the line that tells what was lost.
        this.#recover();
      }
    });
  }

  #recover(): void {
    const count = this.#lost - this.#told;
    this.#told = this.#lost;
    if (count > 0) this.#onRecovered(count);
  }

  #flush(): void {
    const [bytes, lines] = this.#take();
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
    } catch {
      // Nobody is left to be told.
      this.#lost += lines;
    }
  }
}
