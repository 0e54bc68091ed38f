/** `bursar limits`: asks coordination for limits, or to change them, and shows what they were and are. */
import type { StrategyName } from "#budget";
import { ConflictStrategy, StrategySource } from "#gen/bursar/v1/allocation_pb.js";
import type { UpdateLimitsResponse } from "#gen/bursar/v1/coordination_service_pb.js";
import { EXIT } from "../exit-code.ts";
import { withMesh } from "../mesh-client.ts";
import type { CommonOptions, Session } from "../session.ts";
import { limitsChangeLines, type StrategyShown } from "../view/limits-lines.ts";
import { plainLine } from "../view/plain-text.ts";
import { limitsOf } from "../view/report.ts";
import { styleFor } from "../view/style.ts";
import type { AmountOptions } from "./amounts.ts";
import { resolveId } from "./resolve-id.ts";

/** Absent: stays as it is. Amounts, bytes and milliseconds. */
export interface LimitsOptions extends CommonOptions, AmountOptions {
  readonly priorityBonus?: number;
  readonly emergencyReserve?: number;
  readonly wrapUpReserve?: number;
  readonly duration?: number;
  readonly strategy?: StrategyName | "INHERITED";
}

export function showOrUpdateLimits(wanted: string, options: LimitsOptions, session: Session): Promise<number> {
  const { terminal, interrupts, ids } = session;
  return withMesh(session, options, async (mesh) => {
    const allocationId = await resolveId(wanted, ["account", "swarm", "run"], { mesh, session });
    const request = { requestId: ids.newId(), allocationId, overrides: overridesOf(options), ...strategyOf(options) };
    const answer = await mesh.coordination.updateLimits(request, { signal: interrupts.first });
    const { allocation, note } = answer;
    const path = allocation?.path ?? wanted;
    const change = { before: limitsOf(answer.before), after: limitsOf(answer.after), strategy: inForce(answer) };
    if (options.json) terminal.print(JSON.stringify({ id: allocationId, path, ...change }, null, 2));
    else terminal.print(limitsChangeLines(path, change, styleFor(terminal.stdout)).join("\n"));
    if (note !== "") terminal.note(plainLine(note));
    return EXIT.ok;
  });
}

/** 0, which names no strategy, is the contract's word for the inherited one. */
function strategyOf({ strategy }: LimitsOptions) {
  return strategy === undefined ? {} : { strategy: strategy === "INHERITED" ? 0 : ConflictStrategy[strategy] };
}

/** What an older daemon does not tell is left out. */
function inForce({ strategy, strategySource, strategyPath }: UpdateLimitsResponse): StrategyShown | undefined {
  const name = ConflictStrategy[strategy];
  if (strategy === 0 || name === undefined) return undefined;
  return { name, from: StrategySource[strategySource]?.toLowerCase() ?? "", path: strategyPath };
}

function overridesOf(options: LimitsOptions) {
  const { credits, toolCalls, branches, memory, duration } = options;
  const { priorityBonus, emergencyReserve, wrapUpReserve } = options;
  return {
    ...(priorityBonus === undefined ? {} : { priorityBonus: BigInt(priorityBonus) }),
    ...(emergencyReserve === undefined ? {} : { emergencyReserve: BigInt(emergencyReserve) }),
    ...(wrapUpReserve === undefined ? {} : { wrapUpReserve: BigInt(wrapUpReserve) }),
    ...(credits === undefined ? {} : { maxCredits: BigInt(credits) }),
    ...(toolCalls === undefined ? {} : { maxToolCalls: BigInt(toolCalls) }),
    ...(branches === undefined ? {} : { maxConcurrentBranches: BigInt(branches) }),
    ...(memory === undefined ? {} : { maxMemoryBytes: BigInt(memory) }),
    ...(duration === undefined ? {} : { maxDurationMs: BigInt(duration) }),
  };
}
