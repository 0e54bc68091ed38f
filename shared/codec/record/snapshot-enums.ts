/** Enums that only a snapshot has, by the engine's names. */
import type { DueName, HoldPart } from "#budget";
import {
  SnapshotChunk_DueIndex,
  SnapshotChunk_HoldState,
  SnapshotChunk_WriteOffStanding,
} from "#gen/bursar/v1/snapshot_pb.js";
import { enumNames } from "../enum-names.ts";

const HOLD_STATES = ["live", "lapsed", "ended"] as const satisfies readonly HoldPart["state"][];
const DUE_NAMES = ["holds", "leases", "deadlines", "waiters", "claims"] as const satisfies readonly DueName[];
const STANDINGS = ["awaiting", "corrected"] as const;

export const holdStates = enumNames<HoldPart["state"]>(SnapshotChunk_HoldState, HOLD_STATES);
export const dueNames = enumNames<DueName>(SnapshotChunk_DueIndex, DUE_NAMES);
export const writeOffStandings = enumNames(SnapshotChunk_WriteOffStanding, STANDINGS);
