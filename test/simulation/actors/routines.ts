/** Routines drawn by chance: worker steps one after the other, side by side, with limits of their own or drawn from above. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  FailurePolicy,
  InterruptionPolicy,
  type RoutineSchema,
  type StepSchema,
} from "../../../shared/gen/bursar/v1/routine_pb.js";
import type { Chance } from "../world/chance.ts";
import { drawAccess } from "./names.ts";
import { drawReserve, markFinalStep } from "./tranches.ts";

type Routine = MessageInitShape<typeof RoutineSchema>;
type Step = MessageInitShape<typeof StepSchema>;

export interface RoutineOrder {
  readonly name: string;
  /** Credits that the run may use. */
  readonly credits: number;
  readonly attachWithinMs: number;
  /** A step may have all that there is. */
  readonly undivided: boolean;
  /** Draws the names of tools and resources that steps and branches hold. */
  readonly names: Chance;
  /** Draws what is kept for a final step, and which step that is. */
  readonly tranches: Chance;
}

export function drawRoutine(chance: Chance, order: RoutineOrder): Routine {
  const { name, credits, tranches } = order;
  const steps: Step[] = [];
  const count = chance.between(1, 3);
  for (let at = 0; at < count; at += 1) {
    const step = { ...order, name: `s${at}` };
    steps.push(chance.percent(35) ? parallel(chance, step) : worker(chance, step));
  }
  const limits = { maxCredits: BigInt(credits), ...drawReserve(tranches, credits) };
  return { name, limits, steps: markFinalStep(tranches, steps) };
}

function worker(chance: Chance, { name, credits, attachWithinMs, undivided, names }: RoutineOrder): Step {
  return {
    name,
    ...drawAccess(names, 15),
    // Without a limit of its own a step draws from above call by call.
    ...(chance.percent(50)
      ? { limits: { maxCredits: BigInt(undivided ? credits : chance.between(1, Math.ceil(credits / 2))) } }
      : {}),
    onFailure: chance.percent(50) ? FailurePolicy.CONTINUE : FailurePolicy.FAIL,
    onInterruption: chance.pick([
      InterruptionPolicy.UNSPECIFIED,
      InterruptionPolicy.CONTINUE,
      InterruptionPolicy.RETRY,
      InterruptionPolicy.FAIL,
    ]),
    work: { case: "worker", value: { kind: "simulated", attachWithinMs } },
  };
}

function parallel(chance: Chance, order: RoutineOrder): Step {
  const branches = [];
  const count = chance.between(2, 3);
  const each = { ...order, credits: Math.ceil(order.credits / count) };
  for (let at = 0; at < count; at += 1) {
    branches.push({
      name: `b${at}`,
      ...drawAccess(order.names, 25),
      ...(chance.percent(40) ? { limits: { maxCredits: BigInt(Math.max(1, Math.floor(each.credits / 2))) } } : {}),
      onFailure: FailurePolicy.CONTINUE,
      steps: Array.from({ length: chance.between(1, 2) }, (_, step) => worker(chance, { ...each, name: `w${step}` })),
    });
  }
  return { name: order.name, onFailure: FailurePolicy.CONTINUE, work: { case: "parallel", value: { branches } } };
}
