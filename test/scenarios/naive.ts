/**
 * The rules by which other systems fall into each of the known failures, as small as they come: the controls of known-failures.test.ts. Where
 * such a rule does not fail, the situation of the test is none in which anybody could.
 */

/**
 * A claimant of all slots stops their holders, who leave one after the other and wait again, with an earlier arrival than its own. Whatever comes
 * free goes to who waits first, unless it is set aside. Answers how many were stopped in so many rounds, and whether the claimant was served.
 */
export function stopsOf({ slots, rounds, setsAside }: { slots: number; rounds: number; setsAside: boolean }) {
  let stops = 0;
  for (let round = 0; round < rounds; round += 1) {
    let free = 0;
    for (let victim = 0; victim < slots; victim += 1) {
      stops += 1;
      if (setsAside) free += 1;
    }
    if (free === slots) return { stops, served: true };
  }
  return { stops, served: false };
}

/** How often two requests for the same slot stop each other, when waiting raises not only the place in the queue but the right to preempt. */
export function preemptionsByWaiting(untilMs: number, stepMs: number): number {
  let preemptions = 0;
  let running = { base: 2, sinceMs: 0 };
  let waiting = { base: 1, sinceMs: 0 };
  for (let nowMs = 0; nowMs <= untilMs; nowMs += stepMs) {
    const raised = waiting.base + Math.floor((nowMs - waiting.sinceMs) / stepMs);
    if (raised <= running.base) continue;
    preemptions += 1;
    [running, waiting] = [
      { base: waiting.base, sinceMs: nowMs },
      { base: running.base, sinceMs: nowMs },
    ];
  }
  return preemptions;
}

export interface Wanting {
  readonly name: string;
  readonly resource: string;
  readonly amount: number;
}

/** Who is served when nobody passes the head of the queue, whatever it waits for. */
export function servedInStrictOrder(queue: readonly Wanting[], free: Readonly<Record<string, number>>): string[] {
  const left = { ...free };
  const served: string[] = [];
  for (const { name, resource, amount } of queue) {
    if (amount > (left[resource] ?? 0)) break;
    left[resource] = (left[resource] ?? 0) - amount;
    served.push(name);
  }
  return served;
}

/** Shares when each in turn has an equal part of what the others leave of the room beyond what is used: past use counts against its user. */
export function sharesLessPastUse(room: number, used: readonly number[]): number[] {
  const each = room / used.length;
  return used.map((spent) => Math.max(0, each - spent));
}

/** What agents spend in all who each read what is left before they begin, and spend a part of what they read. */
export function spentByStaleReads(budget: number, agents: number, part: number): number {
  const read = Array.from({ length: agents }, () => budget);
  return read.reduce((sum, left) => sum + part * left, 0);
}
