/** A promise that was not kept: which check found it, and whom it concerns. */

export class Violation extends Error {
  override name = "Violation";
  /** The name of the check, such as A2.overspend. */
  readonly check: string;
  /** Ids to tell the story about. */
  readonly about: readonly string[];

  constructor(check: string, message: string, about: readonly string[] = []) {
    super(`${check}: ${message}`);
    this.check = check;
    this.about = about;
  }
}
