import { describe, expect, it } from "vitest";
import type { BranchSpec, RoutineSpec, StepSpec } from "#codec";
import { executionError } from "#errors";
import { type RunActs, RunStateMachine } from "./run-state-machine.ts";
import type { StepPlace, StepResult } from "./step-result.ts";

const ERROR = executionError({ id: "e", type: "TOOL_EXECUTION_FAILED", reach: "one", message: "it failed" });
const ROOT: StepPlace = { allocationId: "run", parentId: "", name: "work", path: "work", limits: {} };

/** Does nothing but write down what it was told; a step's result is what `results` says, else success. */
class WrittenActs implements RunActs {
  readonly lines: string[] = [];
  readonly #results: Readonly<Record<string, StepResult["outcome"] | "no budget">>;
  onStep: (name: string) => void = () => undefined;
  /** Whether the run has nothing left but what it keeps for its final step. */
  usedUp = false;
  /** How places ended in an earlier life. */
  readonly earlier = new Map<string, StepResult>();

  constructor(results: Readonly<Record<string, StepResult["outcome"] | "no budget">> = {}) {
    this.#results = results;
  }

  ended({ path }: StepPlace) {
    return this.earlier.get(path);
  }

  openNode({ path }: StepPlace, kind: "branch" | "step") {
    this.lines.push(`open ${kind} ${path}`);
    if (this.#results[path] === "no budget") return Promise.resolve({ error: ERROR });
    return Promise.resolve({ allocationId: `id of ${path}` });
  }

  isUsedUp() {
    return Promise.resolve(this.usedUp);
  }

  closeNode(allocationId: string, reason: string) {
    this.lines.push(`close ${allocationId} ${reason}`);
    return Promise.resolve();
  }

  doStep({ path, parentId }: StepPlace): Promise<StepResult> {
    this.lines.push(`do ${path} under ${parentId}`);
    this.onStep(path);
    const outcome = this.#results[path] ?? "succeeded";
    if (outcome === "no budget") return Promise.resolve({ outcome: "failed", error: ERROR });
    return Promise.resolve(outcome === "succeeded" ? { outcome } : { outcome, error: ERROR });
  }

  finish({ path }: StepPlace, { outcome }: StepResult) {
    this.lines.push(`${path} ${outcome}`);
    return Promise.resolve();
  }
}

const step = (name: string, onFailure: "fail" | "continue" = "fail"): StepSpec => ({
  name,
  limits: {},
  onFailure,
  kind: "worker",
  onInterruption: "continue",
  worker: { kind: "", attachWithinMs: 1 },
});
const branch = (name: string, steps: StepSpec[], onFailure: "fail" | "continue" = "fail"): BranchSpec => ({
  name,
  limits: {},
  onFailure,
  steps,
});
const parallel = (name: string, branches: BranchSpec[]): StepSpec => ({
  name,
  limits: {},
  onFailure: "fail",
  kind: "parallel",
  parallel: branches,
});
const routine = (...steps: StepSpec[]): RoutineSpec => ({ name: "work", limits: {}, steps });

describe("a run", () => {
  it("does its steps one after the other", async () => {
    const acts = new WrittenActs();
    const end = await new RunStateMachine(acts).run(routine(step("a"), step("b")), ROOT);
    expect(end).toMatchObject({ outcome: "succeeded" });
    expect(acts.lines).toEqual(["do work/a under run", "work/a succeeded", "do work/b under run", "work/b succeeded"]);
  });

  it("skips what comes after a failed step, and fails with its error", async () => {
    const acts = new WrittenActs({ "work/a": "failed" });
    const end = await new RunStateMachine(acts).run(routine(step("a"), step("b")), ROOT);
    expect(end).toEqual({ outcome: "failed", error: ERROR });
    expect(acts.lines).toEqual(["do work/a under run", "work/a failed", "work/b skipped"]);
  });

  it("wraps up after a step that failed for lack of budget, and fails with its error all the same", async () => {
    const final = { ...step("last"), wrapUp: true } as StepSpec;
    const acts = new WrittenActs({ "work/a": "failed" });
    acts.usedUp = true;
    const end = await new RunStateMachine(acts).run(routine(step("a"), step("b"), final), ROOT);
    expect(end).toEqual({ outcome: "failed", error: ERROR });
    const lines = ["do work/a under run", "work/a failed", "work/b skipped"];
    expect(acts.lines).toEqual([...lines, "do work/last under run", "work/last succeeded"]);
    const other = new WrittenActs({ "work/a": "failed" });
    await new RunStateMachine(other).run(routine(step("a"), step("b"), final), ROOT);
    expect(other.lines).toEqual([...lines, "work/last skipped"]);
  });

  it("goes on after a step that says so", async () => {
    const acts = new WrittenActs({ "work/a": "stopped" });
    const end = await new RunStateMachine(acts).run(routine(step("a", "continue"), step("b")), ROOT);
    expect(end.outcome).toBe("succeeded");
    expect(acts.lines.at(-1)).toBe("work/b succeeded");
  });

  it("opens a node for each branch, does their steps inside, and closes from the inside out", async () => {
    const acts = new WrittenActs();
    await new RunStateMachine(acts).run(
      routine(parallel("all", [branch("x", [step("s")]), branch("y", [step("s")])])),
      ROOT,
    );
    expect(acts.lines.slice(0, 3)).toEqual(["open step work/all", "open branch work/all/x", "open branch work/all/y"]);
    expect(acts.lines).toContain("do work/all/x/s under id of work/all/x");
    const at = (line: string) => acts.lines.indexOf(line);
    expect(at("close id of work/all/x succeeded")).toBeGreaterThan(at("work/all/x/s succeeded"));
    expect(at("close id of work/all succeeded")).toBeGreaterThan(at("work/all/y succeeded"));
    expect(acts.lines.at(-1)).toBe("work/all succeeded");
  });

  it("lets the other branches finish when one fails, and then fails", async () => {
    const acts = new WrittenActs({ "work/all/x/s": "failed" });
    const branches = [branch("x", [step("s")]), branch("y", [step("s"), step("t")])];
    const end = await new RunStateMachine(acts).run(routine(parallel("all", branches), step("after")), ROOT);
    expect(end).toEqual({ outcome: "failed", error: ERROR });
    expect(acts.lines).toContain("work/all/y/t succeeded");
    expect(acts.lines).toContain("work/all failed");
    expect(acts.lines.at(-1)).toBe("work/after skipped");
  });

  it("goes on after a branch that may fail, also when there was no budget for it", async () => {
    const acts = new WrittenActs({ "work/all/x": "no budget" });
    const branches = [branch("x", [step("s")], "continue"), branch("y", [step("s")])];
    const end = await new RunStateMachine(acts).run(routine(parallel("all", branches)), ROOT);
    expect(end.outcome).toBe("succeeded");
    expect(acts.lines).toContain("work/all/x failed");
    expect(acts.lines).not.toContain("do work/all/x/s under id of work/all/x");
  });

  it("begins no further step once it is stopped", async () => {
    const acts = new WrittenActs({ "work/a": "stopped" });
    const machine = new RunStateMachine(acts);
    acts.onStep = () => machine.stop("enough");
    const end = await machine.run(routine(step("a", "continue"), step("b")), ROOT);
    expect(end.outcome).toBe("stopped");
    expect(acts.lines.at(-1)).toBe("work/b skipped");
  });
});

describe("a run that an earlier life of the daemon began", () => {
  it("does nothing again that has ended, and tells nothing of it again", async () => {
    const acts = new WrittenActs();
    acts.earlier.set("work/a", { outcome: "succeeded" });
    const end = await new RunStateMachine(acts).run(routine(step("a"), step("b")), ROOT);
    expect(end.outcome).toBe("succeeded");
    expect(acts.lines).toEqual(["do work/b under run", "work/b succeeded"]);
  });

  it("fails with the error of a step that failed then, and skips what was not skipped then", async () => {
    const acts = new WrittenActs();
    acts.earlier.set("work/a", { outcome: "failed", error: ERROR });
    acts.earlier.set("work/b", { outcome: "skipped" });
    const end = await new RunStateMachine(acts).run(routine(step("a"), step("b"), step("c")), ROOT);
    expect(end).toEqual({ outcome: "failed", error: ERROR });
    expect(acts.lines).toEqual(["work/c skipped"]);
  });

  it("goes on inside the branches that have not ended", async () => {
    const acts = new WrittenActs();
    acts.earlier.set("work/all/x", { outcome: "succeeded" });
    acts.earlier.set("work/all/y/s", { outcome: "succeeded" });
    const branches = [branch("x", [step("s")]), branch("y", [step("s"), step("t")])];
    const end = await new RunStateMachine(acts).run(routine(parallel("all", branches)), ROOT);
    expect(end.outcome).toBe("succeeded");
    expect(acts.lines).toEqual([
      "open step work/all",
      "open branch work/all/y",
      "do work/all/y/t under id of work/all/y",
      "work/all/y/t succeeded",
      "close id of work/all/y succeeded",
      "work/all/y succeeded",
      "close id of work/all succeeded",
      "work/all succeeded",
    ]);
  });

  it("keeps a branch that failed then as failed", async () => {
    const acts = new WrittenActs();
    acts.earlier.set("work/all/x", { outcome: "failed", error: ERROR });
    const end = await new RunStateMachine(acts).run(routine(parallel("all", [branch("x", [step("s")])])), ROOT);
    expect(end).toEqual({ outcome: "failed", error: ERROR });
    expect(acts.lines).not.toContain("open branch work/all/x");
  });
});
