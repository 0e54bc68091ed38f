/** Terms of a share: in requests, in routines and in the description of a swarm. */
import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { amount } from "#budget";
import { RunRoutineRequestSchema } from "#gen/bursar/v1/coordination_service_pb.js";
import { LIMITS } from "#std";
import { readSwarmDocument } from "../document/index.ts";
import { parseRunRoutine } from "../requests.ts";
import { routineToProto } from "../routine.ts";
import { leastOf } from "./share-terms.ts";

const SWARM = `
name: s
account: global
limits: { credits: 1000, branches: 10 }
share: { weight: 3 }
routines:
  - name: r
    limits: { credits: 100 }
    share: { weight: 2, min_credits: 10, min_tool_calls: 0 }
    steps:
      - name: both
        limits: { credits: 100 }
        parallel:
          - { name: a, limits: { credits: 90 }, share: { min_credits: 40 }, steps: [{ name: w, limits: { credits: 40 }, worker: { kind: k } }] }
          - { name: b, limits: { credits: 90 }, share: { min_credits: 40 }, steps: [{ name: w, limits: { credits: 40 }, worker: { kind: k } }] }
`;

function swarm() {
  const read = readSwarmDocument({ text: SWARM, file: "s.yaml" });
  if (!read.ok) throw new Error(JSON.stringify(read));
  return read.value;
}

function request(share: object) {
  const [routine] = swarm().routines;
  if (!routine) throw new Error("the description has a routine");
  const given = { requestId: "r", swarmId: "s", routine: routineToProto(routine), limits: { maxCredits: 80n }, share };
  return parseRunRoutine(create(RunRoutineRequestSchema, given));
}

describe("terms of a share", () => {
  test("are read from a description, where what is needed at least has to fit and not what is wished", () => {
    const { share, routines } = swarm();
    expect(share).toEqual({ weight: 3 });
    expect(routines[0]?.share).toEqual({ weight: 2, minCredits: 10, minToolCalls: 0 });
  });

  test("come with a routine, and the request's own take their place", () => {
    const parsed = request({ weight: 5, minCredits: 7n });
    expect(parsed).toMatchObject({ ok: true, value: { share: { weight: 5, minCredits: 7 } } });
    const [routine] = parsed.ok ? [parsed.value.routine] : [];
    expect(routine).toEqual(swarm().routines[0]);
  });

  test("are refused by field", () => {
    const refused = request({ weight: LIMITS.weightMax + 1, minCredits: 81n });
    expect(JSON.stringify(refused)).toContain("share.weight");
    expect(JSON.stringify(refused)).toContain("share.min_credits");
  });

  test("say the least that is of use; without any it is all", () => {
    const limits = { credits: amount(9), toolCalls: amount(3) };
    expect(leastOf(limits, undefined)).toMatchObject(limits);
    expect(leastOf(limits, { weight: 1, minCredits: amount(2) })).toMatchObject({ credits: 2, toolCalls: 3 });
  });
});
