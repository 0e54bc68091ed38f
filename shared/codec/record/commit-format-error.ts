/** Why bytes could not be read as a commit. Nothing is ever guessed or skipped: a forgotten event is forgotten spending. */

export type CommitFormatFault =
  /** Written by a later release, in a format that this one does not know. */
  | "newer-format"
  /** An event or a field that this release does not know, although the format's version is known. */
  | "unknown-content"
  /** Not a commit, or a damaged one. */
  | "malformed";

/** `message` names what was met and where. */
export class CommitFormatError extends Error {
  override name = "CommitFormatError";
  readonly fault: CommitFormatFault;

  constructor(fault: CommitFormatFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}
