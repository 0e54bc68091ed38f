/** One short function per RPC of ExecutionService and MeterService. */
import { parseExecuteSteps } from "#codec";
import { type DaemonBase, workGate } from "#daemon";
import { ExecutionService } from "#gen/bursar/v1/execution_service_pb.js";
import { MeterService } from "#gen/bursar/v1/meter_service_pb.js";
import { bind, type ServiceBinding, serveWork } from "#rpc";
import type { LowBudgets } from "./low-budgets.ts";
import { MeterStream } from "./meter-stream.ts";
import type { UnifiedExecutor } from "./unified-executor.ts";

export function executionServices(
  base: DaemonBase,
  executor: UnifiedExecutor,
  lowBudgets: LowBudgets,
): ServiceBinding[] {
  const execution = bind(ExecutionService, {
    executeSteps: (stream, context) =>
      serveWork(stream, context, {
        parse: parseExecuteSteps,
        ...workGate(base),
        follow: async (order, { grantorIncarnation }) => {
          const work =
            order.type === "join"
              ? await executor.join(order.allocationId)
              : await executor.begin({ ...order, grantorIncarnation });
          return work.feed.follow();
        },
      }),
  });
  const meter = bind(MeterService, {
    meter: (stream) => {
      new MeterStream({ base, steps: executor.steps, topUps: executor.topUps, lowBudgets }, stream);
    },
  });
  return [execution, meter];
}
