/** WriteOff at the front door: of a run in coordination's own books, of a step at the process daemon that granted it. */
import type { WriteOffSpec } from "#codec";
import { type DaemonBase, type WrittenOff, writeOffHere } from "#daemon";
import { executionError, FaultError, RefusalError } from "#errors";
import { ProcessService } from "#gen/bursar/v1/process_service_pb.js";
import { TransportError } from "#rpc";
import { LIMITS } from "#std";
import type { ChildDaemon } from "#tier";
import { notFound } from "./find.ts";
import type { SwarmParts } from "./swarm-parts.ts";

/** Throws the refusal. */
export async function writeOff(parts: SwarmParts, spec: WriteOffSpec): Promise<WrittenOff> {
  const here = await writeOffHere(parts.base, spec, "coordination");
  if (here) return here;
  const unreached: string[] = [];
  for (const child of await daemonsToAsk(parts, spec.allocation)) {
    const found = await writeOffAt(parts, child, spec);
    if (found === "unreached") unreached.push(child.instance);
    else if (found) return found;
  }
  if (unreached.length > 0) throw notReached(parts.base, spec.allocation, unreached);
  throw notFound(`no allocation ${spec.allocation} is known to coordination or to a process daemon that is connected`);
}

/** The holder of the run above the path; all that are connected, for an id. */
async function daemonsToAsk({ base, downlink }: SwarmParts, allocation: string): Promise<readonly ChildDaemon[]> {
  const holder = await base.loop.read((state) => {
    for (const { side, path, peer } of state.allocations.values()) {
      if (side === "delegated" && allocation.startsWith(`${path}/`)) return peer;
    }
    return undefined;
  });
  const children = downlink.children();
  return holder === undefined ? children : children.filter(({ instance }) => instance === holder);
}

async function writeOffAt(
  { peers }: SwarmParts,
  { address }: ChildDaemon,
  { requestId, allocation: allocationId, reason }: WriteOffSpec,
): Promise<WrittenOff | "unreached" | undefined> {
  try {
    const { allocation, writtenOff } = await peers
      .at(address)
      .client(ProcessService)
      .writeOffStep({ requestId, allocationId, reason });
    return { ...(allocation ? { allocation } : {}), ...(writtenOff ? { writtenOff } : {}) };
  } catch (error) {
    if (error instanceof RefusalError && error.refusal.reason === "NOT_FOUND") return undefined;
    if (error instanceof TransportError) return "unreached";
    throw error;
  }
}

function notReached({ ids }: DaemonBase, allocation: string, unreached: readonly string[]): FaultError {
  const message = `${allocation} is not known here, and ${unreached.join(", ")} could not be asked; try again in a moment`;
  const facts = {
    id: ids.newId(),
    type: "DEPENDENCY_UNAVAILABLE",
    reach: "one",
    message,
    tier: "coordination",
  } as const;
  return new FaultError(executionError({ ...facts, retryAfterMs: LIMITS.retryAfterMs }));
}
