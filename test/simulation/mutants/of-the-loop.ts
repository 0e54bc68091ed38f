/** Mutants of the loop, of what crosses daemons, and of daemons that start again. */
import type { Mutant } from "./mutant.ts";

const LOOP = "shared/tier/tier-resource-manager.ts";

export const MUTANTS_OF_THE_LOOP: readonly Mutant[] = [
  {
    name: "answer before durable",
    file: LOOP,
    find: "answers.push(() => done(answered));",
    replace: "done(answered);",
    breaks: "callers are answered before what they hear is in the journal",
  },
  {
    name: "messages before durable",
    file: LOOP,
    find: "for (const message of decision.messages) messages.push(message);",
    replace: "for (const message of decision.messages) for (const listener of this.#listeners) listener(message);",
    breaks: "other daemons hear of what may not have happened",
  },
  {
    name: "read before durable",
    file: LOOP,
    find: "answers.push(next.read(this.#state, nowMs));",
    replace: "next.read(this.#state, nowMs)();",
    breaks: "reports tell usage that is not in the journal",
  },
  {
    name: "a failed commit is taken as done",
    file: LOOP,
    find: "if (error) this.#fail(error);",
    replace: "if (error) this.#guarded(durable);",
    breaks: "a daemon goes on whose disk has failed",
  },
  {
    name: "no start after a restart",
    file: LOOP,
    find: 'this.submit({ type: "start" }, () => undefined);',
    replace: "",
    breaks: "a restarted daemon spends under leases that may be over, and gives up its children too early",
  },
  {
    name: "engine time begins anew",
    file: LOOP,
    find: "new EngineClock(clock, Math.max(startMs, this.#state.engineTimeMs))",
    replace: "new EngineClock(clock, startMs > 0 ? Math.floor(startMs / 2) : 0)",
    breaks: "engine time falls at a restart",
  },
  {
    name: "the snapshot is passed over",
    file: LOOP,
    find: "opened.snapshot === undefined ? createState(hashSeed) : restoreState(opened.snapshot, hashSeed)",
    replace: "createState()",
    breaks: "what was compacted is forgotten",
  },
  {
    name: "lease counts from the answer",
    file: "shared/tier/uplink.ts",
    find: "if (taken && lease) this.#renew(allocationId, lease, taken.sentMs);",
    replace: "if (taken && lease) this.#renew(allocationId, lease, this.#options.loop.nowMs());",
    breaks: "a lease outlives what the parent has written down",
  },
  {
    name: "first lease counts from receipt",
    file: "shared/tier/handover.ts",
    find: "return holderMarkMs === undefined ? nowMs : Math.min(nowMs, holderMarkMs) + leaseTtlMs;",
    replace: "return nowMs + leaseTtlMs;",
    breaks: "a grant that was long on its way is spent after its parent gave it up",
  },
  {
    name: "usage of a lost report forgotten",
    file: "shared/tier/usage-reporter.ts",
    find: "for (const standing of this.#standings.values()) standing.underWay = undefined;",
    replace: "for (const standing of this.#standings.values()) standing.ackedSequence = Number.MAX_SAFE_INTEGER;",
    breaks: "what was reported on a lost stream is never reported again",
  },
  {
    name: "final account while closing",
    file: "shared/tier/usage-reporter.ts",
    find: "  const { id: allocationId, epoch, state, returnedTotal } = node;\n  const sequence = sequenceOf(node);\n  return { allocationId, epoch, sequence, usage: usageOf(node), state, final,",
    replace:
      '  const { id: allocationId, epoch, state, returnedTotal } = node;\n  const sequence = sequenceOf(node);\n  return { allocationId, epoch, sequence, usage: usageOf(node), state, final: state !== "open",',
    breaks: "the parent closes its books while calls are still in flight",
  },
  {
    name: "hello leaves out what is closed",
    file: "shared/tier/uplink.ts",
    find: 'if (node.side !== "received" || state.acknowledged.has(node)) continue;',
    replace: 'if (node.side !== "received" || node.state === "closed") continue;',
    breaks: "what was spent and not yet told counts as never taken",
  },
  {
    name: "untaken before the welcome is answered",
    file: "shared/tier/downlink.ts",
    find: "      await connection.answered;\n",
    replace: "",
    breaks: "a replayed hello gives back what is being spent",
  },
  {
    name: "untaken at every hello",
    file: "shared/tier/downlink.ts",
    find: "untakenOf(state, hello, !this.#order.hasReturned(hello))",
    replace: "untakenOf(state, hello, true)",
    breaks: "a grant that is on its way goes back",
  },
  {
    name: "work of a parent's earlier life is taken",
    file: "shared/daemon/take-grant.ts",
    find: 'if (grantor === "" || grantor === welcomedBy?.incarnation) return;',
    replace: "if (grantor !== undefined || welcomedBy) return;",
    breaks: "a grant is taken that its parent has taken back",
  },
  {
    name: "work for an earlier life is taken",
    file: "shared/daemon/preemption-service.ts",
    find: 'if (instance === base.instance && (incarnation === "" || incarnation === base.incarnation)) return;',
    replace: "if (instance === base.instance && incarnation !== undefined) return;",
    breaks: "a grant is taken that the present life did not name in its hello",
  },
  {
    name: "a later refusal proves that nothing was taken",
    file: "shared/daemon/delegate-work.ts",
    find: 'if (how === "join") return reason === "NOT_FOUND" ? "unknown" : undefined;',
    replace: 'if (how === "join") throw error;',
    breaks: "budget comes back that may have been spent",
  },
  {
    name: "what is pending is answered as returned",
    file: "shared/daemon/preemption-service.ts",
    find: "const amounts = amountsAs({ reclaimed, pending, returnedTotal });",
    replace: "const amounts = amountsAs({ reclaimed, pending, returnedTotal: pending });",
    breaks: "what was taken back can still be spent below",
  },
];
