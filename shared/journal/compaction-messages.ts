/**
 * What the main thread and the compaction worker say to each other, strictly in turn: each message is answered by one of the other side, so
 * that neither runs ahead and the main thread sets the pace. What is sent as bytes is handed over, not copied.
 */

/** To the worker: first all chunks of the snapshot there is, then all commits, then `fold`; then `next` for each part of the new one. */
export type ToWorker =
  | { readonly type: "chunk"; readonly body: Uint8Array<ArrayBuffer> }
  /** Bodies of commits in order, one after the other. */
  | { readonly type: "commits"; readonly bodies: Uint8Array<ArrayBuffer>; readonly lengths: Uint32Array<ArrayBuffer> }
  | { readonly type: "fold" }
  | { readonly type: "next" };

export type FromWorker =
  /** Ready for more input. */
  | { readonly type: "more" }
  /** The next part of the new snapshot. */
  | { readonly type: "part"; readonly body: Uint8Array<ArrayBuffer> }
  | { readonly type: "end" };
