/**
 * Which processes belong to a command. Pure: one table in, the members out.
 * A process is a member when it is the command itself, is in its session or group, carries its marker, was a member
 * before, or descends from a member. So leaving the session (setsid) alone, clearing the environment alone, or outliving
 * one's parent alone do not get a process out; only all three together, between two looks, would.
 */
import type { ProcessEntry, ProcessTable, ProcessUnits } from "./process-table.ts";

export interface TreeQuery {
  readonly table: ProcessTable;
  /** The command's first process: leader of its session and group. */
  readonly rootPid: number;
  /** False once the root has been collected: a process with its pid is then a stranger, and so is that one's group. */
  readonly rootAlive: boolean;
  readonly marker: string;
  /** Members at the last look; the start tells a member from a stranger that got its pid. */
  readonly before: readonly ProcessEntry[];
}

/** The members in `table`, those that have ended and are not yet collected included. */
export function treeMembers({ table, rootPid, rootAlive, marker, before }: TreeQuery): ProcessEntry[] {
  const known = new Map(before.map((entry) => [entry.pid, entry.startTicks]));
  const rootIsOurs = rootAlive || !table.processes.has(rootPid);
  const members = new Map<number, ProcessEntry>();
  const children = new Map<number, ProcessEntry[]>();
  for (const entry of table.processes.values()) {
    const siblings = children.get(entry.parentPid);
    if (siblings === undefined) children.set(entry.parentPid, [entry]);
    else siblings.push(entry);
    const inSession = rootIsOurs && (entry.sessionId === rootPid || entry.groupId === rootPid);
    const isRoot = rootAlive && entry.pid === rootPid;
    if (isRoot || inSession || entry.marker === marker || known.get(entry.pid) === entry.startTicks) {
      members.set(entry.pid, entry);
    }
  }
  // A map iterates over what is added to it on the way: this walks down to the last descendant.
  for (const { pid } of members.values()) {
    for (const child of children.get(pid) ?? []) members.set(child.pid, child);
  }
  return [...members.values()];
}

export interface TreeUsage {
  readonly memoryBytes: number;
  readonly cpuMs: number;
}

/** Resident bytes of the living members, and the CPU time of all together with what they collected from their children. */
export function treeUsage(members: readonly ProcessEntry[], units: ProcessUnits): TreeUsage {
  let pages = 0;
  let ticks = 0;
  for (const member of members) {
    if (member.alive) pages += member.residentPages;
    ticks += member.cpuTicks;
  }
  return { memoryBytes: pages * units.pageBytes, cpuMs: Math.round((ticks * 1000) / units.ticksPerSecond) };
}
