/** A run as it is handed to a process daemon or joined there, and how that is ordered. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { grantToProto, type RoutineSpec, type RunRoutineSpec, routineToProto, traceToProto } from "#codec";
import type { GrantSchema, TraceContext as TraceContextMessage } from "#gen/bursar/v1/allocation_pb.js";
import type { Routine } from "#gen/bursar/v1/routine_pb.js";
import type { GrantHandover, TraceContext } from "#ports";
import type { ChildDaemon } from "#tier";

/** A run as it was asked for, and the trace in which it was; a reservation is for its first attempt. */
export interface RunOrder extends RunRoutineSpec {
  readonly trace: TraceContext | undefined;
}

/** A grant that goes to a process daemon for the first time, or one that an earlier life of this daemon handed over. */
export type RunWork =
  | {
      readonly type: "hand_over";
      readonly grant: GrantHandover;
      readonly child: Pick<ChildDaemon, "instance">;
      readonly routine: RoutineSpec;
      readonly trace: TraceContext | undefined;
    }
  | { readonly type: "join"; readonly epoch: number; readonly holder: string };

/** An order as it is sent; without its number. */
export interface RunOrderInit {
  readonly grant: MessageInitShape<typeof GrantSchema>;
  readonly routine?: Routine;
  readonly trace?: TraceContextMessage;
}

export function orderOf({ grant, routine, trace }: Extract<RunWork, { type: "hand_over" }>): RunOrderInit {
  const carried = traceToProto(trace);
  return { grant: grantToProto(grant), routine: routineToProto(routine), ...(carried ? { trace: carried } : {}) };
}
