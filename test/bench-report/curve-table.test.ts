import { expect, it } from "vitest";
import { curveTableOf } from "./curve-table.ts";
import { rowOf } from "./row.ts";

const row = (name: string, value: number, baseline: number) => rowOf({ name, unit: "µs", value, baseline });

it("shows each curve on a line, its sizes in growing order, and how they stand to the smallest", () => {
  const rows = [
    row("engine.curve.siblings.QUEUE_AND_WAIT.1000", 4, 4),
    row("engine.curve.siblings.QUEUE_AND_WAIT.10000", 5, 4),
    row("engine.curve.tight.PROPORTIONAL_SHARING.1000", 20, 20),
    row("grants.over_batched", 1, 2),
  ];
  expect(curveTableOf(rows, "engine.curve.").split("\n")).toEqual([
    "engine.curve.… (µs)            1,000   10,000",
    "siblings.QUEUE_AND_WAIT      4 (1.0)  5 (1.3)",
    "tight.PROPORTIONAL_SHARING  20 (1.0)         ",
  ]);
});

it("says nothing where there is no curve", () => {
  expect(curveTableOf([row("grants.over_batched", 1, 2)], "engine.curve.")).toBe("");
});
