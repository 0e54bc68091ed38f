/** What will happen in one round, all of it drawn from the seed: the mesh, the swarms' limits, and which blow falls when. */
import { LIMITS, Prng } from "#std";
import { CUTS, type Cut } from "./link-proxy.ts";

export interface RoundPlan {
  readonly seed: string;
  readonly processes: 1 | 2;
  /** Check every invariant after every command. */
  readonly checkInvariants: boolean;
  /** Lease of runs and steps. */
  readonly leaseTtlMs: number;
  /** Credits and tool calls of the swarm of many runs: now and then less than they would like. */
  readonly crowd: { readonly credits: number; readonly toolCalls: number; readonly runsAtOnce: number };
  readonly replay: { readonly credits: number; readonly branches: number };
  /** Blows fall until then. */
  readonly chaosMs: number;
  readonly blows: readonly Blow[];
}

export type Blow = { readonly atMs: number } & (
  | {
      /** kill -9, and a new start at the same place. `again`: killed once more while it starts. */
      readonly kind: "kill";
      readonly daemons: readonly { readonly name: string; readonly downMs: number; readonly again: boolean }[];
    }
  /** SIGSTOP, then SIGCONT. */
  | { readonly kind: "pause"; readonly daemon: string; readonly forMs: number }
  /** SIGTERM, and a new start. */
  | { readonly kind: "end"; readonly daemon: string; readonly downMs: number }
  /** `lossy`: connections end when it is over, and what was held back is lost. */
  | { readonly kind: "cut"; readonly link: string; readonly how: Cut; readonly forMs: number; readonly lossy: boolean }
);

export interface PlanOptions {
  /**
   * The lease is as long as it is where nothing is said, and one silence outlasts it: longer than quiet connections are kept. Otherwise
   * leases are short in most rounds, so that in many of them a silence can outlast them.
   */
  readonly fullLease: boolean;
}

/** Beyond the lease and the 2 s for which a parent is patient after it. */
const SILENCE_BEYOND_MS = 2_800;

/** Names of the daemons of a mesh with so many process daemons; each execution daemon has a parent. */
export function daemonsOf(processes: 1 | 2) {
  const parents = processes === 1 ? ["process-1", "process-1"] : ["process-1", "process-2"];
  return [
    { name: "coordination", tier: "coordination", parent: undefined },
    ...Array.from({ length: processes }, (_, at) => {
      return { name: `process-${at + 1}`, tier: "process", parent: "coordination" } as const;
    }),
    ...parents.map((parent, at) => ({ name: `execution-${at + 1}`, tier: "execution", parent }) as const),
  ] as const;
}

/** Every way that can be cut, named FROM>TO. */
export function linksOf(processes: 1 | 2): string[] {
  return daemonsOf(processes).flatMap(({ name, tier, parent }) => [
    ...(parent === undefined ? ["client>coordination"] : [`${name}>${parent}`, `${parent}>${name}`]),
    ...(tier === "execution" ? [`worker>${name}`] : []),
  ]);
}

export function planRound(seed: string, { fullLease }: PlanOptions): RoundPlan {
  const prng = new Prng(seed);
  const processes: RoundPlan["processes"] = prng.below(3) === 0 ? 2 : 1;
  const chaosMs = 1_500 + prng.below(1_500);
  const tight = prng.below(2) === 0;
  const runsAtOnce = 3 + prng.below(4);
  const crowd = {
    credits: tight ? 3_000 + prng.below(10_000) : 1_000_000,
    toolCalls: tight ? 50 + prng.below(200) : 100_000,
    runsAtOnce,
  };
  const replay = {
    credits: prng.below(2) === 0 ? 2_000_000 + prng.below(6_000_000) : 100_000_000,
    branches: 4 + prng.below(9),
  };
  const checkInvariants = prng.below(2) === 0;
  const blows = Array.from({ length: 2 + prng.below(4) }, () => blowOf(prng, { processes, chaosMs }));
  const short = !fullLease && prng.below(4) > 0;
  const leaseTtlMs = short ? LIMITS.leaseTtlMsMin + prng.below(1_500) : LIMITS.leaseTtlMs;
  const silence = fullLease || (short && prng.below(3) === 0);
  const facts = { seed, processes, checkInvariants, leaseTtlMs, crowd, replay, chaosMs };
  if (!silence) return { ...facts, blows: inOrder(blows) };
  // Half of them with nothing beside it that would end the silence, or begin the lease anew.
  const beside = prng.below(2) === 0 ? blows : blows.filter(({ kind }) => kind === "cut");
  return { ...facts, blows: inOrder([...beside, silenceOf(prng, { processes, leaseTtlMs })]) };
}

function inOrder(blows: readonly Blow[]): Blow[] {
  return blows.toSorted((one, other) => one.atMs - other.atMs);
}

interface Scene {
  readonly processes: 1 | 2;
  readonly chaosMs: number;
}

function blowOf(prng: Prng, { processes, chaosMs }: Scene): Blow {
  const atMs = 400 + prng.below(chaosMs - 400);
  const names = daemonsOf(processes).map(({ name }) => name);
  const kind = prng.below(10);
  if (kind < 4) {
    const first = prng.pick(names);
    const struck = prng.below(6) === 0 ? names : names.filter((name) => name === first || prng.below(5) === 0);
    const daemons = struck.map((name) => ({ name, downMs: prng.below(600), again: prng.below(5) === 0 }));
    return { kind: "kill", atMs, daemons };
  }
  if (kind < 5) return { kind: "pause", atMs, daemon: prng.pick(names), forMs: 100 + prng.below(1_500) };
  if (kind < 6) {
    // Coordination waits for its runs before it ends, and its round with it: seldom.
    const daemon = prng.below(8) === 0 ? "coordination" : prng.pick(names.slice(1));
    return { kind: "end", atMs, daemon, downMs: prng.below(300) };
  }
  const links = linksOf(processes);
  const workersWays = links.filter((name) => name.startsWith("worker"));
  const [link, how] = [prng.pick(prng.below(3) === 0 ? workersWays : links), prng.pick(CUTS)];
  return { kind: "cut", atMs, link, how, forMs: 100 + prng.below(1_500), lossy: prng.below(2) === 0 };
}

/** A daemon that is silent towards the tier above for longer than that waits. */
function silenceOf(prng: Prng, { processes, leaseTtlMs }: Pick<RoundPlan, "processes" | "leaseTtlMs">): Blow {
  const atMs = 400 + prng.below(400);
  const forMs = leaseTtlMs + SILENCE_BEYOND_MS;
  const below = daemonsOf(processes).filter(({ parent }) => parent !== undefined);
  const { name, parent = "" } = prng.pick(below);
  if (prng.below(2) === 0) return { kind: "pause", atMs, daemon: name, forMs };
  return { kind: "cut", atMs, link: `${name}>${parent}`, how: prng.pick(CUTS), forMs, lossy: true };
}

/** In few words, for the line about the round. */
export function wordsOf(blow: Blow): string {
  switch (blow.kind) {
    case "kill":
      return `kill ${blow.daemons.map(({ name, again }) => (again ? `${name} twice` : name)).join(" and ")}`;
    case "pause":
      return `pause ${blow.daemon} ${blow.forMs} ms`;
    case "end":
      return `end ${blow.daemon}`;
    case "cut":
      return `${blow.how} ${blow.link} ${blow.forMs} ms${blow.lossy ? " with loss" : ""}`;
  }
}
