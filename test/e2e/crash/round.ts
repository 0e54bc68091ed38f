/** One round: a mesh of real daemons under load, blows as planned, everything healed, and the books held against the workers' logs. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { AllocationView } from "#gen/bursar/v1/allocation_pb.js";
import { systemClock } from "#tier";
import { DEMO_ACCOUNT } from "../client.ts";
import { auditPairs, auditSteps, auditSwarms, unbalanced, unfinished, unlikeChildren } from "./books-audit.ts";
import { BooksWatch, flat, printOf, treesAt } from "./books-reader.ts";
import { contradictions } from "./call-bounds.ts";
import { elapse, until } from "./elapse.ts";
import { Fleet } from "./fleet.ts";
import { Load, type SwarmFacts } from "./load.ts";
import { type RoundPlan, wordsOf } from "./round-plan.ts";
import { type CallLine, readWorkerLog, WorkerLog } from "./worker-log.ts";

export interface RoundReport {
  readonly seed: string;
  /** What fell, in words. */
  readonly blows: string;
  readonly runs: number;
  /** Calls that workers asked for, and those of them that were settled and acknowledged. */
  readonly calls: number;
  readonly settled: number;
  /** Credits that coordination says were spent. */
  readonly spent: bigint;
  /** The most credits that anything was seen to have in doubt. */
  readonly doubt: bigint;
  readonly elapsedMs: number;
  /** How often Node itself aborted a daemon, which was started again. */
  readonly aborts: number;
  /** Where its journals and the workers' log are. */
  readonly folder: string;
  /** What is wrong; empty: nothing. */
  readonly problems: readonly string[];
}

export interface RoundOptions {
  readonly plan: RoundPlan;
  /** Folder of the round: journals and the workers' log. */
  readonly folder: string;
  readonly compileCache: string;
}

/** After everything is healed: how long runs may take to end by themselves, and then when they are stopped. */
const FINISH_MS = 6_000;
const STOP_MS = 40_000;
/** Blows begin when the workers have done something: after so many lines of their log, or this long. */
const UNDER_LOAD_LINES = 50;
const UNDER_LOAD_MS = 5_000;

export async function playRound({ plan, folder, compileCache }: RoundOptions): Promise<RoundReport> {
  const startMs = systemClock.monotonicMs();
  mkdirSync(folder, { recursive: true });
  const log = new WorkerLog(join(folder, "calls.jsonl"));
  const { processes, checkInvariants, leaseTtlMs } = plan;
  const fleet = await Fleet.open({ folder, processes, checkInvariants, leaseTtlMs, compileCache });
  const round = new Round(plan, fleet, log);
  try {
    await round.play();
  } catch (error) {
    round.problems.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    await round.close();
  }
  const lines = readWorkerLog(log.file);
  const count = (op: CallLine["op"]) => lines.filter((line) => line.op === op).length;
  return {
    seed: plan.seed,
    blows: [`lease ${leaseTtlMs} ms`, ...plan.blows.map(wordsOf)].join(", "),
    runs: round.load.runs,
    calls: count("reserve"),
    settled: lines.filter((line) => line.op === "settled" && line.final).length,
    spent: round.spent,
    doubt: round.doubt,
    folder,
    aborts: fleet.aborts(),
    elapsedMs: systemClock.monotonicMs() - startMs,
    problems: [...new Set([...round.problems, ...round.load.faults, ...fleet.faults()])],
  };
}

class Round {
  readonly problems: string[] = [];
  readonly load: Load;
  spent = 0n;
  doubt = 0n;
  readonly #plan: RoundPlan;
  readonly #fleet: Fleet;
  readonly #log: WorkerLog;

  constructor(plan: RoundPlan, fleet: Fleet, log: WorkerLog) {
    this.#plan = plan;
    this.#fleet = fleet;
    this.#log = log;
    const { address } = fleet;
    this.load = new Load({ plan, address, workersWay: (advertised) => fleet.workersWay(advertised), log });
  }

  async play(): Promise<void> {
    await this.#fleet.up();
    this.load.start();
    const watch = new BooksWatch(this.load.coordination, () => this.load.swarms);
    await until(UNDER_LOAD_MS, async () => (this.#log.lines >= UNDER_LOAD_LINES ? true : undefined));
    await this.#blows();
    await this.#fleet.up();
    await this.load.finish(FINISH_MS);
    const swarms = await this.#settle();
    await watch.stop();
    this.problems.push(...watch.faults);
    this.doubt = watch.doubt;
    if (watch.looks === 0) this.problems.push("nobody could look at the books while the blows fell");
    const lines = readWorkerLog(this.#log.file);
    this.spent = swarms.reduce((sum, { credits }) => sum + (credits?.spent ?? 0n), 0n);
    if (!lines.some(({ op }) => op === "settled")) {
      this.problems.push(`no call was settled; a client was last told: ${this.load.lastFailure}`);
    }
    this.problems.push(...contradictions(lines), ...auditSwarms(swarms, lines));
    const before = await this.#trees(lines);
    await this.#reopen(before);
  }

  async close(): Promise<void> {
    await this.load.finish(0);
    this.load.close();
    await this.#fleet.end();
    this.#fleet.close();
    this.#log.close();
  }

  async #blows(): Promise<void> {
    const over = new AbortController();
    const falling = this.#plan.blows.map(async (blow) => {
      await elapse(blow.atMs);
      await this.#fleet.strike(blow, over.signal);
    });
    const fallen = await Promise.allSettled([...falling, elapse(this.#plan.chaosMs)]);
    for (const blow of fallen) if (blow.status === "rejected") this.problems.push(String(blow.reason));
  }

  /** Stops the swarms and waits until nothing of them is open; answers them as they stand then. */
  #settle(): Promise<AllocationView[]> {
    return Promise.all(this.load.swarms.map((swarm) => this.#stop(swarm)));
  }

  async #stop({ id, path }: SwarmFacts): Promise<AllocationView> {
    const { coordination } = this.load;
    let last: AllocationView | undefined;
    const closed = await until(STOP_MS, async () => {
      last = (await coordination.stopSwarm({ swarm: id, reason: "the round is over", waitMs: 500 })).swarm;
      return last !== undefined && [...unfinished(last), ...openIn(last)].length === 0 ? last : undefined;
    });
    if (closed !== undefined) return closed;
    if (last === undefined) throw new Error(`${path} could not be seen within ${STOP_MS} ms`);
    this.problems.push(...unfinished(last), ...flat([last]).flatMap(openIn));
    return last;
  }

  /** What every daemon shows, by name; checked against the log and against each other. */
  async #trees(lines: readonly CallLine[]): Promise<Map<string, readonly AllocationView[]>> {
    const trees = await this.#seen();
    const all = [...trees.values()].flatMap(flat);
    for (const view of all) this.problems.push(...unbalanced(view), ...unfinished(view));
    const account = all.find(({ path }) => path === DEMO_ACCOUNT);
    this.problems.push(...(account === undefined ? [`no ${DEMO_ACCOUNT} in the books`] : unlikeChildren(account)));
    const below = (tier: string) => [...trees].flatMap(([name, tops]) => (name.startsWith(tier) ? tops : []));
    this.problems.push(
      ...auditSteps(below("execution"), lines),
      ...auditPairs(flat(below("coordination")), below("process")),
      ...auditPairs(
        below("process").flatMap(({ children }) => flat(children)),
        below("execution"),
      ),
    );
    return trees;
  }

  async #seen(): Promise<Map<string, readonly AllocationView[]>> {
    const seen = [...this.#fleet.members.values()].map(
      async ({ name, address }) => [name, await treesAt(address)] as const,
    );
    return new Map(await Promise.all(seen));
  }

  /** Every journal opens again and says the same. */
  async #reopen(before: ReadonlyMap<string, readonly AllocationView[]>): Promise<void> {
    await this.#fleet.end();
    await this.#fleet.up();
    for (const [name, trees] of await this.#seen()) {
      const told = new Set(printOf(before.get(name) ?? []));
      const changed = printOf(trees).filter((print) => !told.has(print));
      this.problems.push(...changed.map((print) => `${name} shows other books after a restart: ${print}`));
    }
  }
}

function openIn(view: AllocationView): string[] {
  return view.openChildren === 0 ? [] : [`${view.path} still has ${view.openChildren} open below it`];
}
