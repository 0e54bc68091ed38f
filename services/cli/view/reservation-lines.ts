/** Reservations, one a line: where, how much is left, and until when. */
import { ExecutionPriority } from "#gen/bursar/v1/allocation_pb.js";
import { ReservationState, type ReservationView } from "#gen/bursar/v1/coordination_service_pb.js";
import type { ResourceAmounts } from "#gen/bursar/v1/resources_pb.js";
import { bytes, countOf, milliseconds } from "./amounts.ts";
import { plainLine } from "./plain-text.ts";
import type { Style } from "./style.ts";
import { type Cell, tableLines } from "./table.ts";

interface Amounts {
  readonly credits: number;
  readonly tool_calls: number;
  readonly concurrent_branches: number;
  readonly memory_bytes: number;
}

/** As it is shown, and told as JSON. */
export interface ShownReservation {
  readonly id: string;
  readonly allocation_id: string;
  readonly path: string;
  readonly name: string;
  readonly priority: string;
  /** ahead, ready, used_up, lapsed, cancelled, closed. */
  readonly state: string;
  readonly amounts: Amounts;
  readonly left: Amounts;
  readonly missing: Amounts;
  readonly starts_in_ms: number;
  readonly ends_in_ms: number;
}

export function reservationOf(view: ReservationView): ShownReservation {
  return {
    id: view.reservationId,
    allocation_id: view.allocationId,
    path: view.path,
    name: view.name,
    priority: ExecutionPriority[view.priority] ?? "",
    state: (ReservationState[view.state] ?? "").toLowerCase(),
    amounts: amountsOf(view.amounts),
    left: amountsOf(view.left),
    missing: amountsOf(view.missing),
    starts_in_ms: Number(view.startsInMs),
    ends_in_ms: Number(view.endsInMs),
  };
}

function amountsOf(amounts: ResourceAmounts | undefined): Amounts {
  return {
    credits: Number(amounts?.credits ?? 0),
    tool_calls: Number(amounts?.toolCalls ?? 0),
    concurrent_branches: Number(amounts?.concurrentBranches ?? 0),
    memory_bytes: Number(amounts?.memoryBytes ?? 0),
  };
}

const HEADINGS = ["OF", "NAME", "STATE", "LEFT", "TIME", "ID"];

export function reservationLines(reservations: readonly ShownReservation[], style: Style): string[] {
  if (reservations.length === 0) return [style.quiet("nothing is reserved")];
  const rows = reservations.map((one): Cell[] => [
    { text: plainLine(one.path), paint: style.strong },
    { text: plainLine(one.name) },
    { text: one.state.replace("_", " ") },
    { text: leftText(one) },
    { text: timeText(one) },
    { text: plainLine(one.id), paint: style.quiet },
  ]);
  return tableLines(
    HEADINGS.map(() => ({})),
    [HEADINGS.map((text) => ({ text, paint: style.quiet })), ...rows],
  );
}

function amountsText(amounts: Amounts): string {
  const parts = [
    amounts.credits > 0 ? countOf(amounts.credits, "credit") : "",
    amounts.tool_calls > 0 ? countOf(amounts.tool_calls, "tool call") : "",
    amounts.concurrent_branches > 0 ? countOf(amounts.concurrent_branches, "branch", "branches") : "",
    amounts.memory_bytes > 0 ? bytes(amounts.memory_bytes) : "",
  ];
  return parts.filter((part) => part !== "").join(", ");
}

function leftText({ left, missing }: ShownReservation): string {
  const lacking = amountsText(missing);
  const what = amountsText(left) || "nothing";
  return lacking === "" ? what : `${what} (missing: ${lacking})`;
}

function timeText({ state, starts_in_ms: startsInMs, ends_in_ms: endsInMs }: ShownReservation): string {
  if (state === "ahead") return `in ${milliseconds(startsInMs)}, for ${milliseconds(endsInMs - startsInMs)}`;
  return state === "ready" ? `for ${milliseconds(endsInMs)}` : "";
}
