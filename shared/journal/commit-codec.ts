/** How a commit becomes the bytes of one row. The journal does not look inside them. */
import type { Commit } from "#ports";

export interface CommitCodec {
  /** The bytes of one commit; the same commit gives bytes that decode to an equal one. */
  encode(commit: Commit): Uint8Array;
  /** The commit in `body`; throws when the bytes are not one. */
  decode(body: Uint8Array): Commit;
}
