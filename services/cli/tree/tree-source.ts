/** Where the tree comes from: coordination shows it over all tiers. */
import { LIMITS } from "#std";
import { failureText } from "../failure-lines.ts";
import { isUnreachable, type Mesh } from "../mesh-client.ts";
import { pause } from "../pause.ts";
import type { Session } from "../session.ts";
import type { ReportNode } from "../view/report.ts";
import { TreeModel } from "./tree-model.ts";

/** The whole tree as it stands now. */
export async function readTree({ watch }: Mesh, { interrupts }: Session): Promise<ReportNode[]> {
  const model = new TreeModel();
  for await (const answer of watch.watchUsage({}, { signal: interrupts.first, timeoutMs: LIMITS.unaryDeadlineMs })) {
    model.apply(answer);
    break;
  }
  return model.roots();
}

export interface TreeWatcher {
  /** Told of the tree at first and of each change: the nodes that changed, without children. */
  readonly onChange: (model: TreeModel, changed: readonly ReportNode[]) => void;
  /** Aborting it ends the watching. */
  readonly signal: AbortSignal;
}

/** Watches until the signal, over lost streams; throws when coordination stays away longer than LIMITS.clientPatienceMs. */
export async function watchTree({ watch }: Mesh, session: Session, { onChange, signal }: TreeWatcher): Promise<void> {
  const { clock, terminal } = session;
  const model = new TreeModel();
  let awaySinceMs: number | undefined;
  while (!signal.aborted) {
    try {
      for await (const answer of watch.watchUsage({ intervalMs: LIMITS.watchIntervalMs }, { signal })) {
        awaySinceMs = undefined;
        onChange(model, model.apply(answer));
      }
    } catch (error) {
      if (signal.aborted) return;
      const nowMs = clock.monotonicMs();
      // A mesh that was never seen may not be there at all: that is told at once.
      if (!isUnreachable(error) || model.isEmpty || nowMs - (awaySinceMs ?? nowMs) > LIMITS.clientPatienceMs)
        throw error;
      if (awaySinceMs === undefined) terminal.note(`waiting for the mesh: ${failureText(error)}`);
      awaySinceMs ??= nowMs;
    }
    await pause(LIMITS.clientRetryMaxMs, { clock, signal });
  }
}
