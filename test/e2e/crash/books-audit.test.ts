/** The audit finds what it is there to find: each kind of wrong books, and nothing in right ones. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import {
  AllocationKind,
  AllocationState,
  type AllocationView,
  AllocationViewSchema,
} from "#gen/bursar/v1/allocation_pb.js";
import { auditPairs, auditSteps, auditSwarms, unbalanced, unfinished, unlikeChildren } from "./books-audit.ts";
import type { CallEvent, CallLine } from "./worker-log.ts";

const SWARM = "g/t/u/swarm";
const RUN = `${SWARM}/run`;

type Fields = Exclude<MessageInitShape<typeof AllocationViewSchema>, AllocationView>;

function closed(path: string, spent: bigint, fields: Fields = {}): AllocationView {
  const state = AllocationState.CLOSED;
  return create(AllocationViewSchema, {
    allocationId: path,
    path,
    state,
    credits: { limit: 1_000n, available: 1_000n - spent, spent },
    toolCalls: {},
    ...fields,
  });
}

const swarmOf = (spent: bigint, runs = [closed(RUN, spent)]) =>
  closed(SWARM, spent, { children: runs, limits: { maxCredits: 1_000n } });

function call(events: readonly CallEvent[], path = `${RUN}/step`): CallLine[] {
  return events.map((event) => ({ t: 0, step: path, path, call: "c", ...event }));
}

const amount = (credits: number) => ({ credits, toolCalls: 0 });
const HELD: readonly CallEvent[] = [
  { op: "reserve", wanted: amount(50) },
  { op: "held", holdId: "h", granted: amount(50) },
];
const SETTLED: readonly CallEvent[] = [
  ...HELD,
  { op: "settle", cost: amount(30), final: true },
  { op: "settled", cost: amount(30), final: true, late: false },
];

describe("the swarms", () => {
  test("are right when they spent what the log says", () => {
    expect(auditSwarms([swarmOf(30n)], call(SETTLED))).toEqual([]);
    expect(auditSwarms([swarmOf(50n)], call(HELD))).toEqual([]);
  });

  test("are wrong when a settle is missing, counted twice, or charged as its hold", () => {
    for (const spent of [0n, 60n, 50n]) {
      const found = auditSwarms([swarmOf(spent)], call(SETTLED));
      expect(found).toContainEqual(`${RUN} spent ${spent} credits; by its workers' log it is exactly 30`);
      expect(found).toHaveLength(2);
    }
  });

  test("are wrong when a lapsed hold is given back", () => {
    expect(auditSwarms([swarmOf(0n)], call(HELD))).toHaveLength(2);
  });

  test("are wrong when a run is missing, is still open, or does not add up to its swarm", () => {
    expect(auditSwarms([swarmOf(0n, [])], call(SETTLED, `${SWARM}/lost/step`))).toContainEqual(
      expect.stringContaining(`${SWARM}/lost was worked in`),
    );
    const open = closed(RUN, 30n, { state: AllocationState.CLOSING });
    expect(auditSwarms([swarmOf(30n, [open])], call(SETTLED))).toEqual([`${RUN} is not closed`]);
    expect(unlikeChildren(closed(SWARM, 31n, { children: [closed(RUN, 30n)] }))).toHaveLength(1);
  });

  test("are wrong when workers were let have more than there is", () => {
    const many = Array.from({ length: 21 }, (_, at) => call(HELD, `${RUN}/step-${at}`)).flat();
    expect(auditSwarms([swarmOf(1_050n)], many)).toContainEqual(
      expect.stringContaining("were let have 1050 at a time"),
    );
    expect(auditSwarms([swarmOf(1_000n)], many.slice(0, 40))).toEqual([]);
  });
});

test("a step at execution is held against its own calls", () => {
  const path = `${RUN}/step`;
  expect(auditSteps([closed(path, 30n)], call(SETTLED))).toEqual([]);
  expect(auditSteps([closed(path, 29n)], call(SETTLED))).toHaveLength(1);
  expect(auditSteps([closed(`${RUN}/other`, 1n)], call(SETTLED))).toHaveLength(1);
});

test("two daemons that say different things of one allocation are found", () => {
  expect(auditPairs([closed(RUN, 30n)], [closed(RUN, 30n)])).toEqual([]);
  expect(auditPairs([closed(RUN, 30n)], [closed(RUN, 31n)])).toHaveLength(1);
});

test("books that do not add up, or are not at rest, are found", () => {
  expect([...unbalanced(closed(RUN, 30n)), ...unfinished(closed(RUN, 30n))]).toEqual([]);
  expect(unbalanced(closed(RUN, 30n, { credits: { limit: 10n, spent: 9n } }))).toHaveLength(1);
  expect(unbalanced(closed(RUN, 30n, { credits: { limit: 10n, debt: 1n, spent: 10n, available: 1n } }))).toHaveLength(
    1,
  );
  for (const term of ["reserved", "unconfirmed", "granted", "inDoubt"] as const) {
    expect(unfinished(closed(RUN, 30n, { credits: { limit: 10n, [term]: 10n } }))).toHaveLength(1);
  }
  const above = { credits: { granted: 10n }, children: [closed("g/t", 0n, { kind: AllocationKind.ACCOUNT })] };
  expect(unfinished(closed("g", 0n, above))).toEqual([]);
});
