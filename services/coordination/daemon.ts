/** The wiring of coordination: accounts, swarms, the downlink to process daemons, and the services on top. */
import { Closings, type DaemonBase, type DaemonParts, Peers, PreemptChildren, WorkLines, watchService } from "#daemon";
import { CoordinationService } from "#gen/bursar/v1/coordination_service_pb.js";
import { ProcessService, RoutineOrderSchema } from "#gen/bursar/v1/process_service_pb.js";
import { bindBudgetService } from "#rpc";
import { Downlink } from "#tier";
import { applyAccounts } from "./accounts.ts";
import { coordinationService } from "./handlers.ts";
import { Preempted } from "./preempted.ts";
import type { RunOrderInit } from "./run-order.ts";
import { OUTCOME_NOTE } from "./run-record.ts";
import { RunTrees } from "./run-trees.ts";
import { SwarmStateMachine } from "./swarm-state-machine.ts";

export async function buildCoordination(base: DaemonBase): Promise<DaemonParts> {
  const { settings, loop, clock, ids, log, instance, incarnation } = base;
  if (settings.accounts !== undefined) await applyAccounts(base, settings.accounts);
  else if (await loop.read((state) => state.roots.size === 0)) {
    log.warn({}, "no account is known, so nobody can pay: start with --accounts FILE");
  }
  const peers = new Peers(base);
  const lines = new WorkLines<RunOrderInit>({
    base,
    peers,
    order: RoutineOrderSchema,
    open: (connection) => connection.client(ProcessService).executeRoutines(),
  });
  const closings = new Closings(loop, clock);
  const trees = new RunTrees();
  const downlink: Downlink = new Downlink({
    loop,
    ids,
    tier: "coordination",
    identity: { instance, incarnation },
    kindOfChildren: "run",
    leaseTtlMs: base.settings.leaseTtlMs,
    telemetry: base.telemetry,
    onChild: ({ instance: child, address }, connected) => {
      log.info({ child, address }, connected ? "a process daemon is here" : "a process daemon is gone");
      if (connected) preempt.repeat(child);
    },
  });
  const preempted = new Preempted();
  const onStanding = preempted.note.bind(preempted);
  const preempt = new PreemptChildren({ base, downlink, peers, onStanding });
  const parts = { base, downlink, peers, lines, closings, trees, preempted };
  const swarms = new SwarmStateMachine(parts);
  await swarms.recover();
  const views = {
    base,
    downlink,
    peers,
    outcomeOf: (node: { readonly notes: ReadonlyMap<string, string> }) => node.notes.get(OUTCOME_NOTE),
    keptInside: (runId: string) => trees.of(runId),
  };
  return {
    services: [
      coordinationService({ parts, swarms, views }),
      bindBudgetService((link) => downlink.accept(link)),
      watchService(views),
    ],
    beginsWork: [`/${CoordinationService.typeName}/CreateSwarm`, `/${CoordinationService.typeName}/RunRoutine`],
    start: () => undefined,
    reload: async () => {
      if (settings.accounts === undefined) return log.warn({}, "there is no accounts file to read: see --accounts");
      await applyAccounts(base, settings.accounts);
      log.info({ file: settings.accounts }, "the accounts file was read again and applied");
    },
    drain: async (graceMs) => {
      await swarms.drain(graceMs);
      peers.close();
    },
  };
}
