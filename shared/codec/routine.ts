/**
 * Routines: the plain value that a document or a message describes, and its message. What comes out of a message is complete: names are
 * unique among siblings, exactly one kind of work per step, defaults and the slots of branches filled in.
 */
import type { Limits } from "#budget";
import { type Branch, FailurePolicy, InterruptionPolicy, type Routine, type Step } from "#gen/bursar/v1/routine_pb.js";
import { LIMITS } from "#std";
import { slotsOfBranches, slotsOfSteps } from "./document/swarm-check.ts";
import type {
  BranchSpec,
  CodeSpec,
  OnFailure,
  OnInterruption,
  RoutineSpec,
  StepSpec,
  WorkerSpec,
} from "./document/swarm-document.ts";
import { enumNames } from "./enum-names.ts";
import { limitsToProto, wantedLimitsFromProto } from "./messages/amounts.ts";
import { accessFromProto, accessToProto } from "./messages/named-access.ts";
import { namedStrategy, namedStrategyToProto } from "./messages/named-strategy.ts";
import { shareTermsFromProto, shareTermsToProto } from "./messages/share-terms.ts";
import type { FieldCheck } from "./parse/field-check.ts";

const failurePolicies = enumNames<OnFailure>(FailurePolicy, ["fail", "continue"]);
const interruptionPolicies = enumNames<OnInterruption>(InterruptionPolicy, ["continue", "retry", "fail"]);
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
const OUR_VARIABLES = "BURSAR_";

export function routineToProto({ name, limits, steps, share, access, ...ways }: RoutineSpec): Routine {
  const strategy = namedStrategyToProto(ways.strategy);
  const competes = { strategy, requestStrategy: namedStrategyToProto(ways.requestStrategy) };
  const plain = { name, limits: limitsToProto(limits), steps: steps.map(stepToProto), ...competes };
  return { $typeName: "bursar.v1.Routine", ...plain, ...shareTermsToProto(share), ...accessToProto(access) };
}

export function stepToProto(step: StepSpec): Step {
  return {
    $typeName: "bursar.v1.Step",
    name: step.name,
    limits: limitsToProto(step.limits),
    onFailure: failurePolicies.numberOf[step.onFailure],
    onInterruption:
      step.kind === "parallel" ? InterruptionPolicy.UNSPECIFIED : interruptionPolicies.numberOf[step.onInterruption],
    work: workToProto(step),
    wrapUp: step.kind !== "parallel" && step.wrapUp === true,
    ...shareTermsToProto(step.share),
    ...accessToProto(step.access),
  };
}

function workToProto(step: StepSpec): Step["work"] {
  switch (step.kind) {
    case "code": {
      const { command, env, cwd, stdin = new Uint8Array() }: CodeSpec = step.code;
      const code = { command: [...command], env: { ...env }, cwd, stdin };
      return { case: "code", value: { $typeName: "bursar.v1.CodeWork", ...code } };
    }
    case "worker": {
      const { kind, attachWithinMs } = step.worker;
      return { case: "worker", value: { $typeName: "bursar.v1.WorkerWork", kind, attachWithinMs } };
    }
    case "parallel": {
      const branches = step.parallel.map(branchToProto);
      return { case: "parallel", value: { $typeName: "bursar.v1.ParallelWork", branches } };
    }
  }
}

function branchToProto({ name, limits, onFailure, steps, share, access, strategy }: BranchSpec): Branch {
  return {
    $typeName: "bursar.v1.Branch",
    name,
    limits: limitsToProto(limits),
    steps: steps.map(stepToProto),
    onFailure: failurePolicies.numberOf[onFailure],
    strategy: namedStrategyToProto(strategy),
    ...shareTermsToProto(share),
    ...accessToProto(access),
  };
}

/** Checks a routine as a whole: also how deep it is and how many steps it has. */
export function routineFromProto(check: FieldCheck, message: Routine): RoutineSpec {
  const counted: Counted = { steps: 0 };
  const name = check.name("name", message.name);
  const limits = wantedLimitsFromProto(check.inside("limits"), message.limits);
  const steps = stepsFromProto({ check, counted, depth: 1 }, message.steps);
  if (counted.steps > LIMITS.routineStepsMax) {
    check.refuse("steps", `has ${counted.steps} steps in all; split the routine: at most ${LIMITS.routineStepsMax}`);
  }
  const share = shareTermsFromProto(check.inside("share"), message.share, limits);
  const access = accessFromProto(check.inside("access"), message.access);
  const ways = { ...namedStrategy(check, "strategy", message), ...namedStrategy(check, "requestStrategy", message) };
  return { name, limits: { branches: slotsOfSteps(steps), ...limits }, steps, ...share, ...access, ...ways };
}

/** A step by itself, as it is handed to whoever does it. */
export function stepFromProto(check: FieldCheck, message: Step): StepSpec | undefined {
  return stepOf({ check, counted: { steps: 0 }, depth: 1 }, message);
}

interface Counted {
  steps: number;
}

/** Where in a routine something lies. */
interface Lies {
  readonly check: FieldCheck;
  readonly counted: Counted;
  /** Lists of steps inside each other, 1 at the top. */
  readonly depth: number;
}

function stepsFromProto({ check, counted, depth }: Lies, messages: readonly Step[]): StepSpec[] {
  counted.steps += messages.length;
  if (depth > LIMITS.routineDepthMax) {
    check.refuse("steps", `lies ${depth} lists of steps deep; at most ${LIMITS.routineDepthMax} may lie in each other`);
    return [];
  }
  if (messages.length === 0) check.refuse("steps", "is empty; at least one step is needed");
  refuseRepeatedNames(check, "steps", messages);
  const steps: StepSpec[] = [];
  for (const [index, message] of messages.entries()) {
    const inside = check.at("steps", index);
    if (message.wrapUp && (depth > 1 || index < messages.length - 1)) {
      inside.refuse("wrap_up", "is for the last step of the routine itself");
    }
    const step = stepOf({ check: inside, counted, depth }, message);
    if (step !== undefined) steps.push(step);
  }
  return steps;
}

function refuseRepeatedNames(check: FieldCheck, field: string, siblings: readonly { readonly name: string }[]): void {
  const first = new Map<string, number>();
  for (const [index, { name }] of siblings.entries()) {
    const earlier = first.get(name);
    if (earlier === undefined) first.set(name, index);
    else if (name !== "")
      check.at(field, index).refuse("name", `is also that of ${field}[${earlier}]; names are unique`);
  }
}

/** Undefined, and refused, when the step does not say what its work is. */
function stepOf(lies: Lies, message: Step): StepSpec | undefined {
  const { check } = lies;
  const { work } = message;
  const limits = wantedLimitsFromProto(check.inside("limits"), message.limits);
  const common = {
    name: check.name("name", message.name),
    limits,
    onFailure: check.choice("on_failure", message.onFailure, failurePolicies, "fail"),
    ...shareTermsFromProto(check.inside("share"), message.share, limits),
    ...accessFromProto(check.inside("access"), message.access),
  };
  const last = message.wrapUp ? { wrapUp: true as const } : {};
  const interruption = (unset: OnInterruption) =>
    check.choice("on_interruption", message.onInterruption, interruptionPolicies, unset);
  switch (work.case) {
    case "code": {
      const code = codeFromProto(check.inside("code"), work.value);
      return { ...common, ...last, kind: "code", onInterruption: ofCode(check, interruption("fail")), code };
    }
    case "worker": {
      const worker = workerFromProto(check.inside("worker"), work.value);
      return { ...common, ...last, kind: "worker", onInterruption: interruption("continue"), worker };
    }
    case "parallel": {
      if (message.onInterruption !== InterruptionPolicy.UNSPECIFIED)
        check.refuse("on_interruption", "is not for a parallel step; set it at the steps of its branches");
      if (message.wrapUp) check.refuse("wrap_up", "is not for a parallel step; end the routine with another one");
      const parallel = branchesFromProto({ ...lies, check: check.inside("parallel") }, work.value.branches);
      return { ...common, limits: { branches: slotsOfBranches(parallel), ...limits }, kind: "parallel", parallel };
    }
    default:
      check.refuse("work", "is missing; set code, worker or parallel");
      return undefined;
  }
}

/** The processes of code die with their daemon: nothing of them can go on. */
function ofCode(check: FieldCheck, policy: OnInterruption): "retry" | "fail" {
  if (policy !== "continue") return policy;
  check.refuse("on_interruption", "CONTINUE is for worker steps; code dies with its daemon: set RETRY or FAIL");
  return "fail";
}

function branchesFromProto(lies: Lies, messages: readonly Branch[]): BranchSpec[] {
  const { check } = lies;
  if (messages.length === 0) check.refuse("branches", "is empty; at least one branch is needed");
  refuseRepeatedNames(check, "branches", messages);
  return messages.map((message, index) => {
    const inside = check.at("branches", index);
    const steps = stepsFromProto({ ...lies, check: inside, depth: lies.depth + 1 }, message.steps);
    const limits: Limits = wantedLimitsFromProto(inside.inside("limits"), message.limits);
    return {
      name: inside.name("name", message.name),
      limits: { branches: slotsOfSteps(steps), ...limits },
      onFailure: inside.choice("on_failure", message.onFailure, failurePolicies, "fail"),
      steps,
      ...shareTermsFromProto(inside.inside("share"), message.share, limits),
      ...accessFromProto(inside.inside("access"), message.access),
      ...namedStrategy(inside, "strategy", message),
    };
  });
}

type CodeMessage = Extract<Step["work"], { case: "code" }>["value"];
type WorkerMessage = Extract<Step["work"], { case: "worker" }>["value"];

function codeFromProto(check: FieldCheck, { command, env, cwd, stdin }: CodeMessage): CodeSpec {
  if (command.length === 0) check.refuse("command", "is empty; name a program and its arguments");
  const words = check.list("command", command, LIMITS.commandWordsMax);
  for (const [index, word] of words.entries()) check.at("command", index).argument("", word);
  const variables = check.list("env", Object.entries(env), LIMITS.commandVariablesMax);
  for (const [name, value] of variables) checkVariable(check, name, value);
  check.argument("cwd", cwd);
  return {
    command: words,
    env: Object.fromEntries(variables),
    cwd: cwd === "" ? "." : cwd,
    ...(stdin.byteLength === 0 ? {} : { stdin }),
  };
}

function checkVariable(check: FieldCheck, name: string, value: string): void {
  const own = check.inside("env");
  if (!VARIABLE.test(name)) own.refuse(JSON.stringify(name), "must be a name of letters, digits and _");
  else if (name.startsWith(OUR_VARIABLES)) own.refuse(name, "names that start with BURSAR_ are set by Bursar itself");
  own.argument(name, value);
}

function workerFromProto(check: FieldCheck, { kind, attachWithinMs }: WorkerMessage): WorkerSpec {
  return {
    kind: check.text("kind", kind, LIMITS.nameCharsMax),
    attachWithinMs: attachWithinMs === 0 ? LIMITS.workerAttachMs : attachWithinMs,
  };
}
