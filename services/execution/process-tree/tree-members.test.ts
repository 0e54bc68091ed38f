import { describe, expect, it } from "vitest";
import type { ProcessEntry } from "./process-table.ts";
import { treeMembers, treeUsage } from "./tree-members.ts";

const ROOT = 100;

function entry(pid: number, parentPid: number, more: Partial<ProcessEntry> = {}): ProcessEntry {
  const ids = { groupId: pid, sessionId: pid, startTicks: pid * 10 };
  return { pid, parentPid, ...ids, alive: true, cpuTicks: 0, residentPages: 0, marker: "", ...more };
}

function membersOf(entries: readonly ProcessEntry[], more: { rootAlive?: boolean; before?: ProcessEntry[] } = {}) {
  const table = { processes: new Map(entries.map((each) => [each.pid, each])), vanished: false };
  const query = { table, rootPid: ROOT, rootAlive: true, marker: "mine", before: [], ...more };
  return treeMembers(query)
    .map(({ pid }) => pid)
    .sort((left, right) => left - right);
}

describe("treeMembers", () => {
  const init = entry(1, 0);
  const root = entry(ROOT, 7);

  it("finds children and their children, wherever they stand in the table", () => {
    expect(membersOf([init, entry(50, 60), entry(60, ROOT), root, entry(8, 1)])).toEqual([50, 60, ROOT]);
  });

  it("finds what outlived its parent by its session, its group or its marker", () => {
    const inSession = entry(201, 1, { sessionId: ROOT });
    const inGroup = entry(202, 1, { groupId: ROOT });
    const marked = entry(203, 1, { marker: "mine" });
    const stranger = entry(204, 1, { marker: "other" });
    expect(membersOf([init, inSession, inGroup, marked, stranger], { rootAlive: false })).toEqual([201, 202, 203]);
  });

  it("finds the children of what it found", () => {
    expect(membersOf([init, entry(203, 1, { marker: "mine" }), entry(204, 203)], { rootAlive: false })).toEqual([
      203, 204,
    ]);
  });

  it("keeps a member that has shaken off everything since the last look, but not a stranger with its pid", () => {
    const strayed = entry(205, 1);
    expect(membersOf([init, strayed], { rootAlive: false, before: [strayed] })).toEqual([205]);
    const reused = { ...strayed, startTicks: strayed.startTicks + 1 };
    expect(membersOf([init, reused], { rootAlive: false, before: [strayed] })).toEqual([]);
  });

  it("takes a process with the collected root's pid, and its group, for strangers", () => {
    const reused = entry(ROOT, 1);
    const itsChild = entry(301, ROOT, { groupId: ROOT, sessionId: ROOT });
    expect(membersOf([init, reused, itsChild], { rootAlive: false })).toEqual([]);
  });
});

describe("treeUsage", () => {
  it("sums memory over the living and CPU time over all", () => {
    const members = [
      entry(1, 0, { residentPages: 10, cpuTicks: 5 }),
      entry(2, 1, { residentPages: 3, cpuTicks: 2 }),
      entry(3, 1, { residentPages: 99, cpuTicks: 1, alive: false }),
    ];
    expect(treeUsage(members, { pageBytes: 4096, ticksPerSecond: 100 })).toEqual({ memoryBytes: 13 * 4096, cpuMs: 80 });
  });
});
