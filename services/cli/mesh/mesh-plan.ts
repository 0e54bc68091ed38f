/** Which daemons a mesh has, with which arguments each is started. */
import { join, resolve } from "node:path";
import type { DaemonPlan } from "./daemon-keeper.ts";
import { TIERS, type TierName } from "./mesh-file.ts";

export interface MeshPlan {
  /** The state folder: journals, logs, the files of runs. */
  readonly state: string;
  /** Port of coordination; process and execution take the tenth and twentieth after it. 0: free ones. */
  readonly portBase: number;
  /** Absent: coordination knows the accounts of its journal. */
  readonly accounts?: string;
  readonly prices?: string;
  /** Folder in which the steps' commands run. */
  readonly cwd: string;
}

/** Where coordination listens unless told otherwise. */
export const PORT_BASE = 7410;
const PORT_STEP = 10;
/** The highest base whose daemons all get a port. */
export const PORT_BASE_MAX = 65_535 - (TIERS.length - 1) * PORT_STEP;

const PARENTS: Readonly<Partial<Record<TierName, TierName>>> = { process: "coordination", execution: "process" };

/** The daemons from the top down. `addresses` is filled by the caller with where each serves, before the next is started. */
export function daemonPlans(plan: MeshPlan, addresses: Readonly<Partial<Record<TierName, string>>>): DaemonPlan[] {
  const { portBase, cwd } = plan;
  const state = resolve(plan.state);
  return TIERS.map((tier, index) => ({
    tier,
    program: join(import.meta.dirname, "..", "..", tier, "main.ts"),
    cwd,
    listen: `127.0.0.1:${portBase === 0 ? 0 : portBase + index * PORT_STEP}`,
    args: (address) => {
      const parent = PARENTS[tier];
      return [
        ...["--listen", address, "--journal", join(state, `${tier}.sqlite`)],
        ...(parent === undefined ? [] : ["--parent", addresses[parent] ?? ""]),
        ...ownArguments(tier, plan, state),
      ];
    },
  }));
}

function ownArguments(tier: TierName, { accounts, prices }: MeshPlan, state: string): string[] {
  if (tier === "coordination") return accounts === undefined ? [] : ["--accounts", resolve(accounts)];
  if (tier !== "execution") return [];
  return ["--work-dir", join(state, "work"), ...(prices === undefined ? [] : ["--prices", resolve(prices)])];
}
