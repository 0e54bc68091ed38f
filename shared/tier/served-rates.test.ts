/** How often one is served at a node: only while somebody waits, of the latest, and never from too little. */
import { expect, it } from "vitest";
import { LIMITS } from "#std";
import { ServedRates } from "./served-rates.ts";

function ratesOf(nodeId = "team") {
  const rates = new ServedRates();
  return {
    rates,
    came: (atMs: number) => rates.came({ nodeId, atMs }),
    served: (atMs: number) => rates.left({ nodeId, atMs }, "served"),
    gaveUp: (atMs: number) => rates.left({ nodeId, atMs }, "unserved"),
    everyMs: (atMs: number) => rates.everyMs({ nodeId, atMs }),
  };
}

it("is the mean of the gaps, and not known from one alone", () => {
  const { came, served, everyMs } = ratesOf();
  for (let i = 0; i < 4; i += 1) came(1_000);
  served(5_000);
  expect(everyMs(5_000)).toBeUndefined();
  served(11_000);
  expect(everyMs(11_000)).toBe(5_000);
});

it("grows while a gap is longer than usual", () => {
  const { came, served, everyMs } = ratesOf();
  for (let i = 0; i < 3; i += 1) came(0);
  served(4_000);
  served(8_000);
  expect(everyMs(12_000)).toBe(4_000);
  expect(everyMs(18_000)).toBe(6_000);
});

it("does not count the time in which nobody waits", () => {
  const { came, served, gaveUp, everyMs } = ratesOf();
  came(0);
  served(2_000);
  came(500_000);
  gaveUp(501_000);
  came(900_000);
  served(904_000);
  expect(everyMs(2_000_000)).toBe(3_000);
});

it("forgets all but the latest gaps, and the nodes where nothing happens", () => {
  const { rates, came, served, everyMs } = ratesOf();
  for (let i = 0; i < LIMITS.servedGapsKept; i += 1) {
    came(0);
    served(60_000);
  }
  for (let i = 0; i < LIMITS.servedGapsKept; i += 1) {
    came(100_000);
    served(100_007);
  }
  expect(everyMs(100_007)).toBe(7);
  for (let i = 0; i < LIMITS.servedNodesKept; i += 1) rates.came({ nodeId: `other-${i}`, atMs: 0 });
  expect(everyMs(100_007)).toBeUndefined();
  served(100_008);
});
