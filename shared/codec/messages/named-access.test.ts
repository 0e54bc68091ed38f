/** Names of tools and resources: in requests, in routines and in the description of a swarm. */
import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { conflictWords } from "#budget";
import { GrantRequestSchema } from "#gen/bursar/v1/budget_service_pb.js";
import { RunRoutineRequestSchema } from "#gen/bursar/v1/coordination_service_pb.js";
import { LIMITS } from "#std";
import { readSwarmDocument } from "../document/index.ts";
import { FieldCheck } from "../parse/field-check.ts";
import { parseRunRoutine } from "../requests.ts";
import { routineToProto } from "../routine.ts";
import { conflictFromProto, conflictToProto } from "./allocation.ts";
import { grantAskFromProto } from "./grants.ts";

const described = (routine: string, step: string, branch: string) => `
name: s
account: global
limits: { credits: 1000, branches: 10 }
routines:
  - name: r
    limits: { credits: 100 }
    ${routine}
    steps:
      - name: one
        limits: { credits: 10 }
        ${step}
        worker: { kind: k }
      - name: both
        parallel:
          - name: a
            limits: { credits: 50 }
            ${branch}
            steps: [{ name: w, limits: { credits: 40 }, worker: { kind: k } }]
`;

const SWARM = described("exclusive: [browser]\n    shared: [db, lab]", "shared: [db]", "exclusive: [report]");

function swarm() {
  const read = readSwarmDocument({ text: SWARM, file: "s.yaml" });
  if (!read.ok) throw new Error(JSON.stringify(read));
  return read.value;
}

function request(access?: { exclusive?: string[]; shared?: string[] }) {
  const [routine] = swarm().routines;
  if (!routine) throw new Error("the description has a routine");
  const given = { requestId: "r", swarmId: "s", routine: routineToProto(routine), ...(access && { access }) };
  return parseRunRoutine(create(RunRoutineRequestSchema, given));
}

const BOTH = [
  { name: "browser", mode: "EXCLUSIVE" },
  { name: "db", mode: "SHARED" },
  { name: "lab", mode: "SHARED" },
];

describe("names of tools and resources", () => {
  test("are read from a description, and come through the contract", () => {
    const [routine] = swarm().routines;
    expect(routine?.access).toEqual(BOTH);
    expect(routine?.steps).toMatchObject([
      { access: [{ name: "db", mode: "SHARED" }] },
      { parallel: [{ access: [{ name: "report", mode: "EXCLUSIVE" }] }] },
    ]);
    const parsed = request();
    expect(parsed.ok && parsed.value.routine).toEqual(routine);
    expect(parsed.ok && parsed.value.access).toEqual(BOTH);
  });

  test("of a request take the place of its routine's", () => {
    const parsed = request({ exclusive: ["lab"] });
    expect(parsed.ok && parsed.value.access).toEqual([{ name: "lab", mode: "EXCLUSIVE" }]);
  });

  test("are refused by field", () => {
    const refused = request({ exclusive: ["x", ""], shared: ["y", "x", "z".repeat(LIMITS.accessNameCharsMax + 1)] });
    expect(refused.ok ? [] : refused.violations).toEqual([
      { field: "access.exclusive[1]", description: "is empty; name a tool or a resource" },
      { field: "access.shared[1]", description: "names x a second time; name each once" },
      { field: "access.shared[2]", description: expect.stringContaining("128") },
    ]);
    const many = request({ shared: Array.from({ length: LIMITS.accessNamesMax + 1 }, (_, at) => `n${at}`) });
    expect(many.ok ? [] : many.violations).toEqual([
      { field: "access", description: "names 17 tools and resources; at most 16 are held by one" },
    ]);
  });

  test("are refused in a description, with the place", () => {
    const text = described("exclusive: [browser]\n    shared: [db, browser]", "exclusive: []", 'shared: [""]');
    const read = readSwarmDocument({ text, file: "s.yaml" });
    const problems = JSON.stringify(read.ok ? [] : read.problems);
    expect(problems).toContain("names browser a second time; name each once, in exclusive or in shared");
    expect(problems).toContain("must not be empty");
    expect(read.ok ? [] : read.problems).toHaveLength(3);
  });

  test("are for new allocations, not for those that grow", () => {
    const check = new FieldCheck();
    const access = { exclusive: ["browser"] };
    const raise = { requestId: "r", allocationId: "a", epoch: 1n, limits: { maxCredits: 5n }, access };
    grantAskFromProto(check, create(GrantRequestSchema, raise));
    expect(check.finish(0)).toEqual({
      ok: false,
      violations: [{ field: "access", description: "cannot change for an open allocation; leave it out" }],
    });
    const opens = { requestId: "r", parentAllocationId: "a", name: "n", limits: { maxCredits: 5n }, access };
    expect(grantAskFromProto(check, create(GrantRequestSchema, opens)).target).toMatchObject({
      access: [{ name: "browser", mode: "EXCLUSIVE" }],
    });
  });

  test("a conflict over one reads the same on both sides", () => {
    const plain = { wanted: 1, available: 0, debt: 0, never: false, position: 0, expectedWaitMs: 9, retryAfterMs: 9 };
    const at = { ancestorId: "a", ancestorPath: "acme", holders: [{ id: "b", path: "acme/b", amount: 1 }] };
    const conflict = { conflict: "EXCLUSIVE_ACCESS_REQUIRED", resource: "access", ...plain, ...at } as const;
    const lacking = [
      { name: "db", mode: "EXCLUSIVE", held: "SHARED" },
      { name: "db", mode: "SHARED", before: "acme/c" },
      { name: "db", mode: "SHARED", held: "EXCLUSIVE", circle: "acme/d waits for db" },
    ] as const;
    for (const access of lacking) {
      const told = conflictFromProto(new FieldCheck(), conflictToProto({ ...conflict, access }));
      expect(told).toEqual({ ...conflict, access });
      expect(conflictWords(told)).toContain("db under acme is");
    }
  });
});
