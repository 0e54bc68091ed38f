import { expect, test } from "vitest";
import { AllocationKind } from "#gen/bursar/v1/allocation_pb.js";
import { swarmReport } from "../run/swarm-report.ts";
import { view } from "../testing/views.ts";
import { reportLines } from "./report-lines.ts";
import { styleFor } from "./style.ts";

const canvas = { style: styleFor({ colour: false }), columns: 120 };
const swarm = view({ path: "global/s", kind: AllocationKind.SWARM, limit: 50_000, spent: 1_234 });

test("the report reads as a headline, the tree, and the equation of the books", () => {
  const report = swarmReport({ swarm, runs: [], outcome: "succeeded" });
  expect(reportLines(report, canvas)).toEqual([
    "✔ global/s succeeded: 1,234 credits used of 50,000",
    "",
    "NAME  KIND   STATE         USED  OF CREDITS",
    "s     swarm  ✔ succeeded  1,234      50,000  █░░░░░░░░░  2%",
    "",
    "The books of s, in credits:",
    "  limit        50,000",
    "+ debt              0",
    "= available    48,766",
    "+ reserved          0",
    "+ unconfirmed       0",
    "+ granted           0",
    "+ in doubt          0",
    "+ spent         1,234",
    "✔ balanced",
  ]);
});

test("a replay says how many calls there were and where it stopped", () => {
  const calls = { made: 5, settled: 5, refused: 2, stopped_at_line: 1_007 };
  const lines = reportLines(swarmReport({ swarm, runs: [], outcome: "stopped", calls }), canvas);
  expect(lines).toContain("5 calls made, 5 settled, 2 refused; intake stopped at line 1,007 of the log");
});

test("books that do not balance are said not to, and an overrun is named", () => {
  const wrong = view({ path: "global/s", kind: AllocationKind.SWARM, limit: 100, spent: 10 });
  if (wrong.credits !== undefined) Object.assign(wrong.credits, { spent: 11n, overrun: 1n });
  const report = swarmReport({ swarm: wrong, runs: [], outcome: "succeeded" });
  expect(report.balanced).toBe(false);
  const lines = reportLines(report, canvas);
  expect(lines).toContain("✖ NOT balanced, 1 of it beyond what was reserved");
  expect(lines.at(-1)).toContain("do not balance everywhere");
});
