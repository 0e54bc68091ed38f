/** The wiring of process: uplink to coordination, downlink to execution, the runs between them, and the services on top. */
import {
  ChildLoads,
  Closings,
  type DaemonBase,
  type DaemonParts,
  Peers,
  PreemptChildren,
  preemptionService,
  watchService,
} from "#daemon";
import { ProcessService } from "#gen/bursar/v1/process_service_pb.js";
import { bindBudgetService, connect, dialBudgetService } from "#rpc";
import { Downlink, Uplink } from "#tier";
import { processServices } from "./handlers.ts";
import { Runs } from "./runs.ts";

export async function buildProcess(base: DaemonBase): Promise<DaemonParts> {
  const { settings, loop, clock, ids, log, instance, incarnation } = base;
  let address = "";
  const peers = new Peers(clock);
  const closings = new Closings(loop, clock);
  const downlink: Downlink = new Downlink({
    loop,
    ids,
    tier: "process",
    identity: { instance, incarnation },
    kindOfChildren: "step",
    telemetry: base.telemetry,
    onChild: ({ instance: child, address: at }, connected) => {
      log.info({ child, address: at }, connected ? "an execution daemon is here" : "an execution daemon is gone");
      if (connected) void preempt.repeat(child);
    },
  });
  const preempt = new PreemptChildren({ base, downlink, peers });
  const connection = connect({ address: settings.parent ?? "", clock });
  const uplink = new Uplink({
    loop,
    clock,
    ids,
    identity: () => ({
      instance,
      incarnation,
      journalId: loop.journalId,
      address,
      tier: settings.tier,
      capacity: settings.capacity,
    }),
    tracing: { telemetry: base.telemetry, traceOf: (id) => runs.traceOf(id) },
    dial: () => dialBudgetService(connection),
    onStop: (allocationId, reason) => void loop.ask({ type: "close", allocationId, reason }),
    onState: ({ connected, error }) =>
      log.info(
        { parent: settings.parent, err: error },
        connected ? "connected to coordination" : "not connected to coordination",
      ),
  });
  const runs = new Runs({ base, downlink, peers, closings, loads: new ChildLoads() });
  await runs.recover();
  return {
    services: [
      ...processServices(base, runs),
      bindBudgetService((link) => downlink.accept(link)),
      preemptionService(base),
      watchService({ base, downlink, peers, outcomeOf: ({ id }) => runs.outcomeOf(id) }),
    ],
    beginsWork: [`/${ProcessService.typeName}/ExecuteRoutine`],
    start: (served) => {
      address = served;
      uplink.start();
    },
    drain: async (graceMs) => {
      await runs.drain(graceMs);
      await uplink.stop();
      connection.close();
      peers.close();
    },
  };
}
