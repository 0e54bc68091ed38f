/** One short function per RPC of ProcessService. */
import { parseExecuteRoutine, parseOrThrow } from "#codec";
import { checkAddressee, type DaemonBase } from "#daemon";
import { ProcessService } from "#gen/bursar/v1/process_service_pb.js";
import { bind, type ServiceBinding } from "#rpc";
import type { Runs } from "./runs.ts";

export function processServices(base: DaemonBase, runs: Runs): ServiceBinding[] {
  const service = bind(ProcessService, {
    async *executeRoutine(request, context) {
      const { instance, incarnation, ...order } = parseOrThrow(parseExecuteRoutine, request);
      checkAddressee(base, { instance, incarnation });
      const work = await runs.begin({ ...order, trace: context.trace ?? order.trace });
      for await (const event of work.follow()) yield { event };
    },
  });
  return [service];
}
