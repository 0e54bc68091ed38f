/** One short function per RPC of ExecutionService and MeterService. */
import { parseExecuteStep, parseOrThrow } from "#codec";
import { checkAddressee, type DaemonBase } from "#daemon";
import { ExecutionService } from "#gen/bursar/v1/execution_service_pb.js";
import { MeterService } from "#gen/bursar/v1/meter_service_pb.js";
import { bind, type ServiceBinding } from "#rpc";
import { MeterStream } from "./meter-stream.ts";
import type { UnifiedExecutor } from "./unified-executor.ts";

export function executionServices(base: DaemonBase, executor: UnifiedExecutor): ServiceBinding[] {
  const execution = bind(ExecutionService, {
    async *executeStep(request, context) {
      const asked = parseOrThrow(parseExecuteStep, request);
      checkAddressee(base, asked);
      const work =
        asked.type === "join"
          ? await executor.join(asked.allocationId)
          : await executor.begin({ ...asked, trace: context.trace ?? asked.trace });
      for await (const event of work.feed.follow()) yield { event };
    },
  });
  const meter = bind(MeterService, {
    meter: (stream) => {
      new MeterStream({ base, steps: executor.steps, topUps: executor.topUps }, stream);
    },
  });
  return [execution, meter];
}
