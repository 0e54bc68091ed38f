/**
 * The description of a swarm: who pays, what it may use, and its routines of steps, one after the other or in parallel branches.
 * The value that comes out is complete: durations in milliseconds, sizes in bytes, defaults filled in.
 */
import { type Access, type Limits, PRIORITIES, type Priority, type StrategyName } from "#budget";
import { LIMITS } from "#std";
import type { ShareTerms } from "../messages/share-terms.ts";
import {
  defaulted,
  type Fields,
  lazy,
  list,
  mapped,
  object,
  optional,
  record,
  required,
  unionByKey,
} from "./collections.ts";
import { credits, limitsWithCredits, toolCalls } from "./limits-reader.ts";
import { INVALID, type Place, type Reader } from "./place.ts";
import {
  checkQueue,
  lowBudgetPercents,
  type PolicySpec,
  preemption,
  queue,
  requestMayChoose,
  shadow,
  strategy,
} from "./policy-reader.ts";
import type { DocumentResult } from "./problem.ts";
import { readDocument } from "./read-document.ts";
import { choice, duration, flag, name, text, whole } from "./scalars.ts";
import type { DocumentInput } from "./source.ts";
import { checkSwarm, limitsOfBranches, slotsOfBranches, slotsOfSteps } from "./swarm-check.ts";

/** What a failed step or branch means for what follows it: the end of its routine, or nothing. */
export type OnFailure = "fail" | "continue";

/** What becomes of a step whose daemon died: it goes on where it was, is done again, or has failed. */
export type OnInterruption = "continue" | "retry" | "fail";

/** A subprocess: the words of its command, variables set for it, and its folder. */
export interface CodeSpec {
  readonly command: readonly string[];
  /** Default: none. Names with BURSAR_ in front are ours. */
  readonly env: Readonly<Record<string, string>>;
  /** Default ".": where the execution daemon runs. */
  readonly cwd: string;
  /** Given to the program on standard input; a document cannot say it. */
  readonly stdin?: Uint8Array;
}

/** Work that an outside worker does, whose calls go through the meter. */
export interface WorkerSpec {
  /** Which kind of worker is meant, as the worker itself says. */
  readonly kind: string;
  /** How long to wait for a worker to attach, in milliseconds. Default LIMITS.workerAttachMs. */
  readonly attachWithinMs: number;
}

interface StepCommon {
  /** Unique among its siblings. */
  readonly name: string;
  /**
   * What it may use. A resource that is absent, though limited above, is one it gets nothing of; only the slots of routines, branches
   * and parallel steps are filled in, as many as the children take.
   */
  readonly limits: Limits;
  /** Default "fail". */
  readonly onFailure: OnFailure;
  /** How it takes part where budget is divided by weight; absent: with weight 1, and all or nothing. */
  readonly share?: ShareTerms;
  /** Names of tools and resources that it holds as long as it lasts. */
  readonly access?: readonly Access[];
}

interface Doable extends StepCommon {
  /** The final step of its run, which may draw the run's wrap-up reserve. */
  readonly wrapUp?: true;
}

/** One step, told apart by `kind`. A parallel step that states no limits has what its branches need in all. */
export type StepSpec =
  | (Doable & {
      readonly kind: "code";
      /** Default "fail"; code dies with its daemon and cannot go on. */
      readonly onInterruption: Exclude<OnInterruption, "continue">;
      readonly code: CodeSpec;
    })
  | (Doable & {
      readonly kind: "worker";
      /** Default "continue". */
      readonly onInterruption: OnInterruption;
      readonly worker: WorkerSpec;
    })
  | (StepCommon & { readonly kind: "parallel"; readonly parallel: readonly BranchSpec[] });

/** A branch of a parallel step: steps one after the other, beside its siblings. */
export interface BranchSpec extends StepCommon {
  /** How what is in it competes; absent: as what is above says. */
  readonly strategy?: StrategyName;
  readonly steps: readonly StepSpec[];
}

/** A routine: steps one after the other. */
export interface RoutineSpec {
  readonly name: string;
  readonly limits: Limits;
  readonly steps: readonly StepSpec[];
  /** How the run takes part where its swarm divides by weight. */
  readonly share?: ShareTerms;
  /** Names of tools and resources that the run holds as long as it lasts. */
  readonly access?: readonly Access[];
  /** The strategy that decides about the run's request, where its swarm lets a request choose. */
  readonly requestStrategy?: StrategyName;
  /** How its steps and branches compete; absent: as what is above says. */
  readonly strategy?: StrategyName;
}

/** A swarm as described by its document. */
export interface SwarmSpec extends PolicySpec {
  readonly name: string;
  /** Path of the account that pays: "global/research/demo". */
  readonly account: string;
  readonly limits: Limits;
  /** Default NORMAL. */
  readonly priority: Priority;
  /** How it takes part where its account divides by weight. */
  readonly share?: ShareTerms;
  /** The strategy that decides about the swarm's request, where its account lets a request choose. */
  readonly requestStrategy?: StrategyName;
  readonly routines: readonly RoutineSpec[];
}

const STEPS = { noun: "steps", itemsMin: 1, itemsMax: LIMITS.routineStepsMax } as const;

const accountPath = text({
  pattern: /^[a-z0-9][a-z0-9_-]*(?:\/[a-z0-9][a-z0-9_-]*)*$/,
  mustBe: "the path of an account, like global/research/demo",
});

const variableName: Reader<string> = (place) => {
  const variable = text({ pattern: /^[A-Za-z_][A-Za-z0-9_]*$/, mustBe: "a name of letters, digits and _" })(place);
  if (variable === INVALID || !variable.startsWith("BURSAR_")) return variable;
  return place.refuse("names that start with BURSAR_ are set by Bursar itself; choose another");
};

const code: Reader<CodeSpec> = object({
  command: required("command", list(text(), { noun: "words", itemsMin: 1, itemsMax: LIMITS.commandWordsMax })),
  env: defaulted(
    "env",
    record(text({ charsMin: 0 }), { key: variableName, noun: "variables", entriesMax: LIMITS.commandVariablesMax }),
    {},
  ),
  cwd: defaulted("cwd", text(), "."),
});

const worker: Reader<WorkerSpec> = object({
  kind: required("kind", name),
  attachWithinMs: defaulted("attach_within", duration(), LIMITS.workerAttachMs),
});

const onFailure = defaulted("on_failure", choice(["fail", "continue"]), "fail");

const share = optional(
  "share",
  object({
    weight: defaulted("weight", whole({ unit: "parts", min: 1, max: LIMITS.weightMax }), 1),
    minCredits: optional("min_credits", credits),
    minToolCalls: optional("min_tool_calls", toolCalls),
  }),
);

const requestStrategy = optional("request_strategy", strategy);

const accessName = text({ charsMax: LIMITS.accessNameCharsMax });
const accessNames = list(accessName, { noun: "names", itemsMin: 1, itemsMax: LIMITS.accessNamesMax });
const namesFields = { exclusive: optional("exclusive", accessNames), shared: optional("shared", accessNames) };

/** One name is held in one way. */
function checkNames(place: Place): void {
  const seen = new Set<string>();
  for (const key of ["exclusive", "shared"]) {
    for (const item of place.find(key)?.items() ?? []) {
      const { text: said } = item;
      if (said === undefined) continue;
      if (seen.has(said)) item.refuse(`names ${said} a second time; name each once, in exclusive or in shared`);
      seen.add(said);
    }
  }
}

interface Named {
  readonly exclusive?: readonly string[] | undefined;
  readonly shared?: readonly string[] | undefined;
}

/** The names that it holds as one list, to be spread into what has some. */
function accessIn({ exclusive = [], shared = [] }: Named): { readonly access?: readonly Access[] } {
  const access: Access[] = [
    ...exclusive.map((name) => ({ name, mode: "EXCLUSIVE" as const })),
    ...shared.map((name) => ({ name, mode: "SHARED" as const })),
  ];
  return access.length === 0 ? {} : { access };
}

/** Fills in the slots that the steps take in turn, where the limits do not state any. */
function withSlots<T extends { readonly limits: Limits; readonly steps: readonly StepSpec[] }>(written: T): T {
  return { ...written, limits: { branches: slotsOfSteps(written.steps), ...written.limits } };
}

const branch: Reader<BranchSpec> = mapped(
  object(
    {
      name: required("name", name),
      limits: required("limits", limitsWithCredits),
      onFailure,
      share,
      strategy: optional("strategy", strategy),
      ...namesFields,
      steps: required(
        "steps",
        lazy(() => steps),
      ),
    },
    checkNames,
  ),
  ({ exclusive, shared, ...written }) => withSlots({ ...written, ...accessIn({ exclusive, shared }) }),
);

const onInterruption = optional("on_interruption", choice(["continue", "retry", "fail"]));

const stepCommon = {
  name: required("name", name),
  limits: optional("limits", limitsWithCredits),
  onFailure,
  onInterruption,
  share,
  wrapUp: optional("wrap_up", flag),
  ...namesFields,
} satisfies Fields;

/** What cannot be said of this kind of step about its interruption. */
function checkInterruption(place: Place): void {
  const said = place.find("on_interruption");
  if (said === undefined) return;
  if (place.find("parallel") !== undefined) said.refuse("is not for a parallel step; set it at its steps");
  else if (place.find("code") !== undefined && said.text === "continue")
    said.refuse("continue is for worker steps; code dies with its daemon: set retry or fail");
}

const writtenStep = unionByKey({
  common: stepCommon,
  variants: { code, worker, parallel: list(branch, { ...STEPS, noun: "branches" }) },
  check: (place: Place) => {
    checkInterruption(place);
    checkNames(place);
    if (place.find("limits") !== undefined || place.find("parallel") !== undefined) return;
    place.refuseMissing("limits", "is missing; state at least the credits of the step");
  },
});

const step: Reader<StepSpec> = mapped(writtenStep, ({ onInterruption: policy, exclusive, shared, wrapUp, ...said }) => {
  const written = { ...said, ...accessIn({ exclusive, shared }) };
  if (written.kind === "parallel") {
    const stated = written.limits;
    const filled: Limits =
      stated === undefined
        ? limitsOfBranches(written.parallel)
        : { branches: slotsOfBranches(written.parallel), ...stated };
    return { ...written, limits: filled };
  }
  const { limits } = written;
  if (limits === undefined) return INVALID;
  const last = wrapUp ? { wrapUp: true as const } : {};
  if (written.kind === "worker") return { ...written, ...last, limits, onInterruption: policy ?? "continue" };
  return { ...written, ...last, limits, onInterruption: policy === "retry" ? "retry" : "fail" };
});

const steps: Reader<readonly StepSpec[]> = list(step, STEPS);

const routine: Reader<RoutineSpec> = mapped(
  object(
    {
      name: required("name", name),
      limits: required("limits", limitsWithCredits),
      steps: required("steps", steps),
      share,
      strategy: optional("strategy", strategy),
      requestStrategy,
      ...namesFields,
    },
    checkNames,
  ),
  ({ exclusive, shared, ...written }) => withSlots({ ...written, ...accessIn({ exclusive, shared }) }),
);

const swarm: Reader<SwarmSpec> = object(
  {
    name: required("name", name),
    account: required("account", accountPath),
    limits: required("limits", limitsWithCredits),
    priority: defaulted("priority", choice(PRIORITIES), "NORMAL"),
    strategy: optional("strategy", strategy),
    requestMayChoose,
    requestStrategy,
    queue: optional("queue", queue),
    lowBudgetPercents: optional("low_budget_percents", lowBudgetPercents),
    preemption: optional("preemption", preemption),
    shadow: optional("shadow", shadow),
    share,
    routines: required("routines", list(routine, { ...STEPS, noun: "routines" })),
  },
  (place) => {
    checkQueue(place, "FIRST_COME_FIRST_SERVED");
    checkSwarm(place);
  },
);

/** Reads the description of a swarm (see examples/research-swarm.yaml for its form). */
export function readSwarmDocument(input: DocumentInput): DocumentResult<SwarmSpec> {
  return readDocument(input, swarm);
}
