/** What the books of one journal say, in figures. */
import type { Allocation, BudgetState } from "#budget";
import { LIMITS } from "#std";
import type { ReportBooks } from "../view/report.ts";

export interface RootStanding extends Omit<ReportBooks, "overrun"> {
  readonly path: string;
}

export interface Standing {
  readonly engine_time_ms: number;
  /** How often a daemon has started on it. */
  readonly starts: number;
  readonly nodes_open: number;
  readonly nodes_closed: number;
  readonly holds_live: number;
  readonly holds_lapsed: number;
  readonly requests_remembered: number;
  /** The books in credits of the open nodes at the top; at most LIMITS.doctorRootsMax. */
  readonly roots: readonly RootStanding[];
  /** Grants whose holder is silent, and what of them is in doubt, in credits. */
  readonly in_doubt: readonly { readonly path: string; readonly holder: string; readonly credits: number }[];
  /** What a person has written off and no account has corrected, in credits. */
  readonly written_off: readonly { readonly path: string; readonly credits: number }[];
}

export function standingOf(state: BudgetState): Standing {
  const nodes = [...state.allocations.values()];
  const closed = nodes.filter((node) => node.state === "closed").length;
  const holds = [...state.holds.values()];
  const roots = [...state.roots].filter((node) => node.state !== "closed").slice(0, LIMITS.doctorRootsMax);
  const doubtful = nodes.filter((node) => node.doubtful && node.state !== "closed");
  return {
    engine_time_ms: state.engineTimeMs,
    starts: state.lives,
    nodes_open: nodes.length - closed,
    nodes_closed: closed,
    holds_live: holds.filter((hold) => hold.state === "live").length,
    holds_lapsed: holds.filter((hold) => hold.state === "lapsed").length,
    requests_remembered: state.effects.size,
    roots: roots.map(rootOf),
    in_doubt: doubtful.map(({ path, peer = "", books }) => {
      return { path, holder: peer, credits: Math.max(0, books.credits.limit - books.credits.usage) };
    }),
    written_off: nodes
      .filter(({ writtenOff }) => writtenOff.credits > 0)
      .map(({ path, writtenOff }) => ({ path, credits: writtenOff.credits })),
  };
}

function rootOf({ path, books: { credits } }: Allocation): RootStanding {
  const { limit, debt, available, reserved, unconfirmed, granted, inDoubt, spent } = credits;
  return { path, limit, debt, available, reserved, unconfirmed, granted, in_doubt: inDoubt, spent };
}
