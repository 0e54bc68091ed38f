import { expect, test } from "vitest";
import { rowOf } from "./row.ts";
import { tableOf } from "./table.ts";

test("the table shows what was measured, the bars, and the verdict in words", () => {
  const rows = [
    rowOf({ name: "baseline.unary", unit: "calls/s", value: 11_211.4 }),
    rowOf({
      name: "grants.over_unary",
      unit: "decisions/s",
      value: 130_000,
      baseline: 11_000,
      bar: { better: "higher", goal: 20, floor: 10 },
    }),
    rowOf({
      name: "chain.over_hops",
      unit: "ms",
      value: 1.2,
      baseline: 1,
      bar: { better: "lower", goal: 2, floor: 3 },
    }),
    rowOf({ name: "engine.scaling", unit: "µs", value: 4, baseline: 1, bar: { better: "lower", goal: 1.5 } }),
    rowOf({
      name: "preempt.first",
      unit: "ms",
      value: 4,
      baseline: 1,
      bar: { better: "lower", goal: 10, on: "value" },
    }),
  ];
  expect(tableOf(rows)).toBe(
    [
      "name               unit           value  baseline  ratio  floor     goal  verdict",
      "baseline.unary     calls/s       11,210",
      "grants.over_unary  decisions/s  130,000    11,000  11.82   ≥ 10     ≥ 20  floor met",
      "chain.over_hops    ms               1.2         1    1.2    ≤ 3      ≤ 2  met",
      "engine.scaling     µs                 4         1      4           ≤ 1.5  NOT MET",
      "preempt.first      ms                 4         1      4         ≤ 10 ms  met",
    ].join("\n"),
  );
});
