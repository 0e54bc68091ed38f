/** Reservations of accounts and swarms: made, taken back, and shown. */
import {
  type CreateReservationSpec,
  parseCancelReservation,
  parseCreateReservation,
  parseListReservations,
  parseOrThrow,
  reservationView,
  reservationViews,
} from "#codec";
import { type DaemonBase, findNode } from "#daemon";
import type { CoordinationService, ReservationView } from "#gen/bursar/v1/coordination_service_pb.js";
import type { ServiceHandlers } from "#rpc";
import { errorOfOutcome } from "#tier";
import { findAccount, isUnder, notFound } from "./find.ts";

/** Requests of persons share one space of ids: what one asked twice has one effect. */
const CALLER = "reserve";

type Base = Pick<DaemonBase, "loop" | "ids">;
type Handlers = Pick<
  ServiceHandlers<typeof CoordinationService>,
  "createReservation" | "cancelReservation" | "listReservations"
>;

export function reservationHandlers(base: Base): Handlers {
  return {
    createReservation: async (request) => ({
      reservation: await reserve(base, parseOrThrow(parseCreateReservation, request)),
    }),
    cancelReservation: async (request) => ({
      reservation: await cancel(base, parseOrThrow(parseCancelReservation, request).id),
    }),
    listReservations: (request) => {
      const { allocation } = parseOrThrow(parseListReservations, request);
      return base.loop.read((state, nowMs) => {
        const found = allocation === "" ? undefined : (findAccount(state, allocation) ?? findNode(state, allocation));
        const reservations = reservationViews(state, nowMs).filter(({ allocationId, path }) => {
          if (allocation === "") return true;
          const node = state.allocations.get(allocationId);
          if (!node) return path === allocation;
          return node === found || (found !== undefined && isUnder(node, found.id));
        });
        return { reservations };
      });
    },
  };
}

async function reserve(base: Base, spec: CreateReservationSpec): Promise<ReservationView> {
  const { loop, ids } = base;
  const { allocation, reservationId = ids.newId(), ...wish } = spec;
  const allocationId = await loop.read((state) => {
    const node = findAccount(state, allocation) ?? findNode(state, allocation);
    return node && (node.kind === "account" || node.kind === "swarm") ? node.id : undefined;
  });
  if (allocationId === undefined) {
    throw notFound(`no account or swarm ${allocation} is known; see GetAccounts and ListSwarms`);
  }
  const outcome = await loop.ask({ type: "reserve_ahead", caller: CALLER, allocationId, reservationId, ...wish });
  if (outcome.type !== "reserved_ahead") throw errorOf(base, outcome);
  return view(base, outcome.reservationId);
}

async function cancel(base: Base, reservationId: string): Promise<ReservationView> {
  const outcome = await base.loop.ask({ type: "cancel_reservation", reservationId });
  if (outcome.type !== "done") throw errorOf(base, outcome);
  return view(base, reservationId);
}

function errorOf({ ids }: Base, outcome: Parameters<typeof errorOfOutcome>[0]): Error {
  return errorOfOutcome(outcome, { tier: "coordination", errorId: ids.newId(), onOwn: false });
}

async function view({ loop }: Base, id: string): Promise<ReservationView> {
  const found = await loop.read((state, nowMs) => reservationView(state, id, nowMs));
  if (!found) throw notFound(`reservation ${id} is over, and what it was is forgotten by now`);
  return found;
}
