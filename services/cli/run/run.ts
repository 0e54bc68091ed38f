/** `bursar run`: reads the document, runs the swarm, shows its report, and says by its exit code how it went. */
import type { Access } from "#budget";
import { readSwarmDocument } from "#codec";
import { readDocumentFile } from "../documents.ts";
import { EXIT } from "../exit-code.ts";
import { withMesh } from "../mesh-client.ts";
import type { Session } from "../session.ts";
import { checkReportFile, outputReport } from "./report-output.ts";
import type { RunOptions } from "./run-options.ts";
import { runSwarm } from "./run-swarm.ts";

/** Undefined: as the routines say. */
function accessOf({ exclusive = [], shared = [] }: RunOptions): readonly Access[] | undefined {
  if (exclusive.length === 0 && shared.length === 0) return undefined;
  const named = (mode: Access["mode"]) => (name: string) => ({ name, mode });
  return [...exclusive.map(named("EXCLUSIVE")), ...shared.map(named("SHARED"))];
}

export async function run(file: string, options: RunOptions, session: Session): Promise<number> {
  const { terminal, interrupts } = session;
  const { keep, json } = options;
  const spec = await readDocumentFile(file, readSwarmDocument);
  checkReportFile(options.report);
  return withMesh(session, options, async (mesh) => {
    const access = accessOf(options);
    const { report, failure } = await runSwarm({
      mesh,
      session,
      spec,
      json,
      keep,
      ...(access && { access }),
      ...(options.priority !== undefined && { priority: options.priority }),
      ...(options.reservation !== undefined && { reservationId: options.reservation }),
      ...(options.wait !== undefined && { waitMs: options.wait }),
      ...(options.requestStrategy !== undefined && { requestStrategy: options.requestStrategy }),
    });
    outputReport(report, terminal, options);
    if (failure !== undefined) throw failure;
    if (interrupts.first.aborted) return EXIT.interrupted;
    return report.outcome === "succeeded" && report.balanced ? EXIT.ok : EXIT.failed;
  });
}
