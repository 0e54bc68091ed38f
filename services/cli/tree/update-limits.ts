/** `bursar limits`: asks coordination for limits, or to change them, and shows what they were and are. */
import { EXIT } from "../exit-code.ts";
import { withMesh } from "../mesh-client.ts";
import type { CommonOptions, Session } from "../session.ts";
import { limitsChangeLines } from "../view/limits-lines.ts";
import { plainLine } from "../view/plain-text.ts";
import { limitsOf } from "../view/report.ts";
import { styleFor } from "../view/style.ts";
import { resolveId } from "./resolve-id.ts";

/** Absent: stays as it is. Amounts, bytes and milliseconds. */
export interface LimitsOptions extends CommonOptions {
  readonly credits?: number;
  readonly toolCalls?: number;
  readonly branches?: number;
  readonly memory?: number;
  readonly duration?: number;
}

export function showOrUpdateLimits(wanted: string, options: LimitsOptions, session: Session): Promise<number> {
  const { terminal, interrupts, ids } = session;
  return withMesh(session, options, async (mesh) => {
    const allocationId = await resolveId(wanted, ["account", "swarm", "run"], { mesh, session });
    const request = { requestId: ids.newId(), allocationId, overrides: overridesOf(options) };
    const answer = await mesh.coordination.updateLimits(request, { signal: interrupts.first });
    const { allocation, note } = answer;
    const path = allocation?.path ?? wanted;
    const change = { before: limitsOf(answer.before), after: limitsOf(answer.after) };
    if (options.json) terminal.print(JSON.stringify({ id: allocationId, path, ...change }, null, 2));
    else terminal.print(limitsChangeLines(path, change, styleFor(terminal.stdout)).join("\n"));
    if (note !== "") terminal.note(plainLine(note));
    return EXIT.ok;
  });
}

function overridesOf({ credits, toolCalls, branches, memory, duration }: LimitsOptions) {
  return {
    ...(credits === undefined ? {} : { maxCredits: BigInt(credits) }),
    ...(toolCalls === undefined ? {} : { maxToolCalls: BigInt(toolCalls) }),
    ...(branches === undefined ? {} : { maxConcurrentBranches: BigInt(branches) }),
    ...(memory === undefined ? {} : { maxMemoryBytes: BigInt(memory) }),
    ...(duration === undefined ? {} : { maxDurationMs: BigInt(duration) }),
  };
}
