/** The wiring of process: uplink to coordination, downlink to execution, the runs between them, and the services on top. */
import {
  ChildLoads,
  Closings,
  connectTierAbove,
  type DaemonBase,
  type DaemonParts,
  Peers,
  PreemptChildren,
  preemptionService,
  WaitedGrants,
  WorkLines,
  watchService,
} from "#daemon";
import { ExecutionService, StepOrderSchema } from "#gen/bursar/v1/execution_service_pb.js";
import { bindBudgetService } from "#rpc";
import { Downlink } from "#tier";
import { processServices } from "./handlers.ts";
import { Runs } from "./runs.ts";
import type { StepOrderInit } from "./step-dispatch.ts";

export async function buildProcess(base: DaemonBase): Promise<DaemonParts> {
  const { loop, clock, ids, log, instance, incarnation } = base;
  const peers = new Peers(base);
  const lines = new WorkLines<StepOrderInit>({
    base,
    peers,
    order: StepOrderSchema,
    open: (connection) => connection.client(ExecutionService).executeSteps(),
  });
  const closings = new Closings(loop, clock);
  const downlink: Downlink = new Downlink({
    loop,
    ids,
    tier: "process",
    identity: { instance, incarnation },
    kindOfChildren: "step",
    leaseTtlMs: base.settings.leaseTtlMs,
    telemetry: base.telemetry,
    onChild: ({ instance: child, address: at }, connected) => {
      log.info({ child, address: at }, connected ? "an execution daemon is here" : "an execution daemon is gone");
      if (connected) preempt.repeat(child);
    },
  });
  const preempt = new PreemptChildren({ base, downlink, peers });
  const above = connectTierAbove(base, { traceOf: (id) => runs.traceOf(id) });
  const [loads, grants] = [new ChildLoads(), new WaitedGrants(loop)];
  const runs = new Runs({ base, uplink: above.uplink, downlink, lines, closings, loads, grants });
  await runs.recover();
  return {
    services: [
      ...processServices(base, runs),
      bindBudgetService((link) => downlink.accept(link)),
      preemptionService(base),
      watchService({ base, downlink, peers, outcomeOf: ({ id }) => runs.outcomeOf(id) }),
    ],
    beginsWork: [],
    start: above.start,
    drain: async (graceMs) => {
      await runs.drain(graceMs);
      await above.stop();
      peers.close();
    },
  };
}
