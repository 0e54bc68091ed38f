/** One short function per RPC of ProcessService. */
import { parseExecuteRoutines, parseOrThrow, parseWriteOff } from "#codec";
import { type DaemonBase, workGate, writeOffHere } from "#daemon";
import { RefusalError } from "#errors";
import { ProcessService } from "#gen/bursar/v1/process_service_pb.js";
import { bind, type ServiceBinding, serveWork } from "#rpc";
import type { Runs } from "./runs.ts";

export function processServices(base: DaemonBase, runs: Runs): ServiceBinding[] {
  const service = bind(ProcessService, {
    executeRoutines: (stream, context) =>
      serveWork(stream, context, {
        parse: parseExecuteRoutines,
        ...workGate(base),
        follow: async (order, { grantorIncarnation }) => {
          const feed =
            order.type === "join"
              ? await runs.join(order.allocationId)
              : await runs.begin({ ...order, grantorIncarnation });
          return feed.follow();
        },
      }),
    writeOffStep: async (request) => {
      const spec = parseOrThrow(parseWriteOff, request);
      const written = await writeOffHere(base, spec, "process");
      if (written) return written;
      const message = `no allocation ${spec.allocation} is known to this process daemon`;
      throw new RefusalError({ reason: "NOT_FOUND", message });
    },
  });
  return [service];
}
