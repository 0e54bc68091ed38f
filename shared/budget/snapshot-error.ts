/** Why parts could not be taken for a state. Nothing is guessed: a state that lacks something would be forgotten spending. */
export class SnapshotError extends Error {
  override name = "SnapshotError";
}
