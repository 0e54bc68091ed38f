/** One short function per RPC of ProcessService. */
import { parseExecuteRoutine, parseOrThrow, parseWriteOff } from "#codec";
import { checkAddressee, type DaemonBase, writeOffHere } from "#daemon";
import { RefusalError } from "#errors";
import { ProcessService } from "#gen/bursar/v1/process_service_pb.js";
import { bind, type ServiceBinding } from "#rpc";
import type { Runs } from "./runs.ts";

export function processServices(base: DaemonBase, runs: Runs): ServiceBinding[] {
  const service = bind(ProcessService, {
    async *executeRoutine(request, context) {
      const asked = parseOrThrow(parseExecuteRoutine, request);
      checkAddressee(base, asked);
      const feed =
        asked.type === "join"
          ? await runs.join(asked.allocationId)
          : await runs.begin({ ...asked, trace: context.trace ?? asked.trace });
      for await (const event of feed.follow()) yield { event };
    },
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
