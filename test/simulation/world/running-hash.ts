/** One hash over everything that happens, in order: two runs are the same to the byte when their hashes are. */
import { createHash } from "node:crypto";

export class RunningHash {
  readonly #hash = createHash("sha256");
  #text = "";

  /** `text` is what happened, `bytes` what was said or written. */
  add(text: string, bytes?: Uint8Array): void {
    this.#text += `${text}\n`;
    if (bytes) {
      this.#flush();
      this.#hash.update(bytes);
    } else if (this.#text.length > 16_384) this.#flush();
  }

  #flush(): void {
    this.#hash.update(this.#text);
    this.#text = "";
  }

  /** The hash so far, short enough to be read aloud. */
  digest(): string {
    this.#flush();
    return this.#hash.copy().digest("hex").slice(0, 16);
  }
}
