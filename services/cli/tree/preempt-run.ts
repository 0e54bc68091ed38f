/** `bursar preempt`: asks for budget back and tells how it comes. */
import { PreemptionMode, type PreemptResponse } from "#gen/bursar/v1/preemption_service_pb.js";
import { fromStatusMessage } from "#rpc";
import { CommandError } from "../command-error.ts";
import { EXIT } from "../exit-code.ts";
import { withMesh } from "../mesh-client.ts";
import type { CommonOptions, Session } from "../session.ts";
import { preemptLine, preemptReport } from "../view/preempt-lines.ts";
import { styleFor } from "../view/style.ts";
import { resolveId } from "./resolve-id.ts";

export interface PreemptOptions extends CommonOptions {
  /** Absent: all that can be had. */
  readonly credits?: number;
  readonly mode: "shrink" | "pause" | "stop";
  /** Why, for people. */
  readonly reason: string;
}

const MODES = { shrink: PreemptionMode.SHRINK, pause: PreemptionMode.PAUSE, stop: PreemptionMode.STOP } as const;

export function preemptRun(wanted: string, options: PreemptOptions, session: Session): Promise<number> {
  const { terminal, interrupts, ids } = session;
  const { credits, mode, reason, json } = options;
  return withMesh(session, options, async (mesh) => {
    const runId = await resolveId(wanted, ["run"], { mesh, session });
    const amounts = credits === undefined ? {} : { amounts: { credits: BigInt(credits) } };
    const request = { preemptionId: ids.newId(), runId, ...amounts, mode: MODES[mode], reason };
    const style = styleFor(terminal.stderr);
    let last: PreemptResponse | undefined;
    for await (const { progress } of mesh.coordination.preemptRun(request, { signal: interrupts.first })) {
      if (progress?.error !== undefined) throw fromStatusMessage(progress.error);
      last = progress ?? last;
      if (progress === undefined || progress.done) continue;
      const line = preemptLine(preemptReport(progress), style);
      if (terminal.stderr.isTerminal) terminal.status(line);
      else terminal.note(line);
    }
    terminal.status(undefined);
    if (last === undefined)
      throw new CommandError("the mesh did not say how the preemption stands", { exitCode: EXIT.failed });
    const report = preemptReport(last);
    terminal.print(json ? JSON.stringify(report, null, 2) : preemptLine(report, styleFor(terminal.stdout)));
    if (!report.met) terminal.note("what is still wanted stays pending and comes back as the run's work ends");
    return report.met ? EXIT.ok : EXIT.failed;
  });
}
