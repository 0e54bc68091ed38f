/** `bursar reserve`, `bursar reservations` and `bursar unreserve`: asks coordination for reservations and shows them. */
import type { Priority } from "#budget";
import { ExecutionPriority } from "#gen/bursar/v1/allocation_pb.js";
import type { ReservationView } from "#gen/bursar/v1/coordination_service_pb.js";
import { CommandError } from "../command-error.ts";
import { EXIT } from "../exit-code.ts";
import { withMesh } from "../mesh-client.ts";
import type { CommonOptions, Session } from "../session.ts";
import { reservationLines, reservationOf } from "../view/reservation-lines.ts";
import { styleFor } from "../view/style.ts";
import type { AmountOptions } from "./amounts.ts";
import { resolveId } from "./resolve-id.ts";

export type ReservationsOptions = CommonOptions;

/** Amounts and milliseconds; absent: none of it, and as usual. */
export interface ReserveOptions extends CommonOptions, AmountOptions {
  readonly in?: number;
  readonly for?: number;
  readonly after?: string;
  readonly name?: string;
  readonly priority: Priority;
}

const USUAL_MS = 60 * 60 * 1_000;

export function reserve(wanted: string, options: ReserveOptions, session: Session): Promise<number> {
  const { interrupts, ids } = session;
  const { credits = 0, toolCalls = 0, branches = 0, memory = 0 } = options;
  if (credits + toolCalls + branches + memory === 0) {
    const message = "nothing is named that is to be reserved: --credits, --tool-calls, --branches or --memory";
    throw new CommandError(message, { exitCode: EXIT.usage });
  }
  return withMesh(session, options, async (mesh) => {
    const allocation = await resolveId(wanted, ["account", "swarm"], { mesh, session });
    const answer = await mesh.coordination.createReservation(
      {
        requestId: ids.newId(),
        allocation,
        name: options.name ?? "reserved",
        amounts: {
          credits: BigInt(credits),
          toolCalls: BigInt(toolCalls),
          concurrentBranches: BigInt(branches),
          memoryBytes: BigInt(memory),
        },
        startsInMs: BigInt(options.in ?? 0),
        lastsMs: BigInt(options.for ?? USUAL_MS),
        priority: ExecutionPriority[options.priority],
        afterReservationId: options.after ?? "",
      },
      { signal: interrupts.first },
    );
    show(answer.reservation ? [answer.reservation] : [], options, session);
    return EXIT.ok;
  });
}

export function listReservations(
  wanted: string | undefined,
  options: ReservationsOptions,
  session: Session,
): Promise<number> {
  return withMesh(session, options, async (mesh) => {
    const allocation = wanted === undefined ? "" : await resolveId(wanted, ["account", "swarm"], { mesh, session });
    const request = { allocation };
    const answer = await mesh.coordination.listReservations(request, { signal: session.interrupts.first });
    show(answer.reservations, options, session);
    return EXIT.ok;
  });
}

export function unreserve(reservationId: string, options: ReservationsOptions, session: Session): Promise<number> {
  return withMesh(session, options, async (mesh) => {
    const answer = await mesh.coordination.cancelReservation({ reservationId }, { signal: session.interrupts.first });
    show(answer.reservation ? [answer.reservation] : [], options, session);
    return EXIT.ok;
  });
}

function show(views: readonly ReservationView[], { json }: CommonOptions, { terminal }: Session): void {
  const reservations = views.map(reservationOf);
  if (json) terminal.print(JSON.stringify(reservations, null, 2));
  else terminal.print(reservationLines(reservations, styleFor(terminal.stdout)).join("\n"));
}
