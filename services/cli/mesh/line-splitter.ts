/** Cuts a stream of bytes into lines. Of a line that is longer than its bound only the beginning is kept. */
import { StringDecoder } from "node:string_decoder";
import { LIMITS } from "#std";

export class LineSplitter {
  readonly #take: (line: string) => void;
  readonly #decoder = new StringDecoder("utf8");
  #started = "";

  constructor(take: (line: string) => void) {
    this.#take = take;
  }

  write(bytes: Buffer): void {
    const lines = this.#decoder.write(bytes).split("\n");
    const last = lines.pop() ?? "";
    for (const line of lines) {
      this.#grow(line);
      this.#finish();
    }
    this.#grow(last);
  }

  /** What came last without a line end is a line too. */
  end(): void {
    this.#grow(this.#decoder.end());
    if (this.#started !== "") this.#finish();
  }

  #grow(text: string): void {
    this.#started += text.slice(0, Math.max(0, LIMITS.daemonLogLineCharsMax - this.#started.length));
  }

  #finish(): void {
    const line = this.#started;
    this.#started = "";
    this.#take(line.endsWith("\r") ? line.slice(0, -1) : line);
  }
}
