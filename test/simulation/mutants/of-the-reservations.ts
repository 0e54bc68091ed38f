/** Mutants of reservations: for whom the room is kept, and from when on. */
import type { Mutant } from "./mutant.ts";

export const MUTANTS_OF_THE_RESERVATIONS: readonly Mutant[] = [
  {
    name: "a reservation's room is given to others",
    file: "shared/budget/evolve-reservation.ts",
    find: "  node.waiters.earmarks.add(markOf(id), consumablesOf(amounts));\n",
    replace: "",
    breaks: "what is reserved is kept for those who use it",
  },
  {
    name: "a reservation is used before its beginning",
    file: "shared/budget/reservation-use.ts",
    find: "if (!reservation || reservation.startsAtMs > nowMs)",
    replace: "if (!reservation)",
    breaks: "a reservation is there from its beginning on",
  },
  {
    name: "what a request takes stays reserved",
    file: "shared/budget/evolve-reservation.ts",
    find: "  reservation.left = monusAmounts(reservation.left, by);\n",
    replace: "",
    breaks: "what was used of a reservation is gone from it",
  },
];
