/**
 * What the daemons at the other ends of grants do in a random world: use, report, give back, fall silent, are written off, and come back with
 * the truth.
 */
import type { Resource } from "./resource.ts";
import { some, usage } from "./scenario.test-support.ts";
import type { Allocation } from "./state.ts";
import { type Op, pick, type World } from "./world.test-support.ts";

export function sendReport(w: World, node: Allocation, { final, stale }: { final: boolean; stale: boolean }): void {
  const { sequence, writtenOff, ...used } = w.trulyUsed(node.id);
  const { corrections } = used;
  const seen = stale
    ? { sequence: Math.max(0, sequence - 2), credits: Math.floor(used.credits / 2), toolCalls: 0 }
    : { sequence, ...used };
  const calls = [[`tool${sequence % 3}`, sequence]] as const;
  const told = usage({
    credits: seen.credits,
    toolCalls: seen.toolCalls,
    corrections: stale ? Math.max(0, corrections - 1) : corrections,
    provisional: !stale && writtenOff > 0,
    branchesPeak: sequence % 4,
    callsPerTool: calls,
  });
  const report = {
    type: "report_usage",
    caller: "holder",
    allocationId: node.id,
    epoch: 1,
    sequence: seen.sequence,
  } as const;
  w.run({ ...report, usage: told, final });
}

/** The holder of a grant uses some of it, seldom more than it has, and reports: in order, late, twice, or for the last time. */
export const report: Op = (w, a, b, c) => {
  const node = w.one("delegated", a);
  if (!node) return;
  const before = w.trulyUsed(node.id);
  const left = Math.max(0, node.books.credits.limit - before.credits);
  const more = b % 13 === 0 ? left + 30 : Math.min(left, b % 50);
  if (node.state !== "closed") {
    const toolCalls = before.toolCalls + (c % 4 === 0 ? 1 : 0);
    w.truth.set(node.id, { ...before, credits: before.credits + more, toolCalls, sequence: before.sequence + 1 });
  }
  // It may fall silent instead.
  if (c % 11 === 0) return;
  const final = c % 17 === 0;
  sendReport(w, node, { final, stale: !final && c % 5 === 0 });
  if (c % 7 === 0) sendReport(w, node, { final: false, stale: false });
};

/** Below the holder of a grant something is written off, or the true account of that comes. */
export const writeOffBelow: Op = (w, a, b, c) => {
  const node = w.one("delegated", a);
  if (!node || node.state === "closed") return;
  const before = w.trulyUsed(node.id);
  if (before.writtenOff > 0) {
    correctBelow(w, node, (b % 5) / 4);
    return sendReport(w, node, { final: c % 7 === 0, stale: c % 5 === 0 && c % 7 > 0 });
  }
  const writtenOff = Math.min(Math.max(0, node.books.credits.limit - before.credits), 1 + (b % 60));
  const sequence = before.sequence + 1;
  w.truth.set(node.id, { ...before, credits: before.credits + writtenOff, writtenOff, sequence });
  if (c % 3 > 0) sendReport(w, node, { final: c % 7 === 0, stale: false });
};

/** What was written off below a holder is corrected there; `part` of it was truly used. */
export function correctBelow(w: World, node: Allocation, part: number): void {
  const { writtenOff, ...before } = w.trulyUsed(node.id);
  if (writtenOff === 0) return;
  const credits = before.credits - writtenOff + Math.floor(writtenOff * part);
  const { sequence, corrections } = before;
  const counted = { sequence: sequence + 1, corrections: corrections + 1 };
  w.truth.set(node.id, { ...before, ...counted, credits, writtenOff: 0 });
}

export const writeOff: Op = (w, a, b) => {
  if (a % 4 === 0) {
    w.s.nowMs += 33_000;
    w.run({ type: "tick" });
  }
  const doubtful = [...w.s.state.allocations.values()].filter((node) => node.doubtful && node.state !== "closed");
  const node = b % 7 === 0 ? w.one("any", a) : pick(doubtful, a);
  if (!node) return;
  const requestId = w.s.id("write-off");
  w.run({ type: "write_off", caller: "person", requestId, allocationId: node.id, reason: "gone" });
};

/** The final account of a holder that was given up, or that closed on a provisional one; sometimes an account that still is. */
export const lateAccount: Op = (w, a, b, c) => {
  const node = pick(w.awaited, a);
  if (!node) return;
  if (c % 3 > 0) correctBelow(w, node, (b % 5) / 4);
  sendReport(w, node, { final: c % 5 > 0, stale: false });
};

export const acknowledge: Op = (w, a, b) => {
  const closed = [...w.s.state.roots].filter((root) => root.side === "received" && root.state === "closed");
  const node = pick(closed, a) ?? w.one("received", a);
  if (!node) return;
  const sequence = node.usageSequence + (b % 4 === 0 ? 0 : 1);
  w.run({ type: "acknowledge_final", allocationId: node.id, sequence });
};

export const returned: Op = (w, a, b, c) => {
  const node = w.one("delegated", a);
  if (!node) return;
  const { grantedTotal, returnedTotal } = node;
  const used = w.trulyUsed(node.id);
  const give = (r: Resource, n: number) => {
    const spent = r === "credits" || r === "toolCalls" ? used[r] : 0;
    const free = Math.max(0, grantedTotal[r] - returnedTotal[r] - spent);
    return c % 6 === 0 ? Math.max(0, returnedTotal[r] - 1) : returnedTotal[r] + (free === 0 ? 0 : n % (free + 1));
  };
  const total = {
    credits: give("credits", b),
    toolCalls: give("toolCalls", b),
    branches: give("branches", c),
    memoryBytes: give("memoryBytes", c),
  };
  w.run({ type: "receive_return", caller: "holder", allocationId: node.id, epoch: 1, returnedTotal: some(total) });
};
