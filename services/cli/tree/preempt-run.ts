/** `bursar preempt`: asks for budget back and tells how it comes. */
import { PreemptionMode, type PreemptResponse } from "#gen/bursar/v1/preemption_service_pb.js";
import { fromStatusMessage } from "#rpc";
import { LIMITS } from "#std";
import { CommandError } from "../command-error.ts";
import { EXIT } from "../exit-code.ts";
import { withMesh } from "../mesh-client.ts";
import type { CommonOptions, Session } from "../session.ts";
import { type PreemptMode, preemptLine, preemptReport } from "../view/preempt-lines.ts";
import { styleFor } from "../view/style.ts";
import { resolveId } from "./resolve-id.ts";

export interface PreemptOptions extends CommonOptions {
  /** Absent: all that can be had. */
  readonly credits?: number;
  readonly mode: PreemptMode;
  /** For stop: time to end in peace before force; absent: the usual one. */
  readonly grace?: number;
  /** Why, for people. */
  readonly reason: string;
}

/** A stop takes its grace, and what is left after that a moment. */
const STOP_WAIT_MS = 10_000;

const MODES = { shrink: PreemptionMode.SHRINK, pause: PreemptionMode.PAUSE, stop: PreemptionMode.STOP } as const;

const UNMET: Readonly<Record<PreemptMode, string>> = {
  shrink: "what is still wanted stays pending and comes back as the run's work ends",
  pause: "it takes nothing new from now on; what is in flight is still to be settled, or its daemon does not answer",
  stop: "it is closing; what is in flight is still to end, or its daemon does not answer",
};

function checkMode({ mode, credits, grace }: PreemptOptions): void {
  const usage = { exitCode: EXIT.usage };
  if (credits !== undefined && mode !== "shrink")
    throw new CommandError(`--credits is for --mode shrink: ${mode} takes all that can be had`, usage);
  if (grace !== undefined && mode !== "stop") throw new CommandError("--grace is for --mode stop", usage);
}

export function preemptRun(wanted: string, options: PreemptOptions, session: Session): Promise<number> {
  const { terminal, interrupts, ids } = session;
  const { credits, mode, grace, reason, json } = options;
  checkMode(options);
  return withMesh(session, options, async (mesh) => {
    const runId = await resolveId(wanted, ["run"], { mesh, session });
    const amounts = credits === undefined ? {} : { amounts: { credits: BigInt(credits) } };
    const graceful = grace === undefined ? {} : { graceMs: grace };
    const waitMs = mode === "stop" ? Math.min((grace ?? 0) + STOP_WAIT_MS, LIMITS.preemptWaitMsMax) : 0;
    const request = { preemptionId: ids.newId(), runId, ...amounts, mode: MODES[mode], reason, waitMs, ...graceful };
    const style = styleFor(terminal.stderr);
    let last: PreemptResponse | undefined;
    for await (const { progress } of mesh.coordination.preemptRun(request, { signal: interrupts.first })) {
      if (progress?.error !== undefined) throw fromStatusMessage(progress.error);
      last = progress ?? last;
      if (progress === undefined || progress.done) continue;
      const line = preemptLine(preemptReport(progress, mode), style);
      if (terminal.stderr.isTerminal) terminal.status(line);
      else terminal.note(line);
    }
    terminal.status(undefined);
    if (last === undefined)
      throw new CommandError("the mesh did not say how the preemption stands", { exitCode: EXIT.failed });
    const report = preemptReport(last, mode);
    terminal.print(json ? JSON.stringify(report, null, 2) : preemptLine(report, styleFor(terminal.stdout)));
    if (!report.met) terminal.note(UNMET[mode]);
    else if (mode === "pause") terminal.note(`let it go on with: ${session.calledAs} resume ${wanted}`);
    return report.met ? EXIT.ok : EXIT.failed;
  });
}
