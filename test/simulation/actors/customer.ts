/** Whoever has the work done: makes swarms, runs routines in them, takes budget back, stops them; and asks again when it hears nothing. */
import { FaultError, RefusalError } from "#errors";
import type { Client } from "#rpc";
import {
  ConflictStrategy,
  type ExecutionPriority,
  WorstPreemption,
} from "../../../shared/gen/bursar/v1/allocation_pb.js";
import { CoordinationService } from "../../../shared/gen/bursar/v1/coordination_service_pb.js";
import { PreemptionMode } from "../../../shared/gen/bursar/v1/preemption_service_pb.js";
import type { RunEvent, RunPreempted, WorkerReady } from "../../../shared/gen/bursar/v1/run_pb.js";
import type { VirtualProcess } from "../../../shared/tier/testing/virtual-clock.ts";
import type { Chance } from "../world/chance.ts";
import { Violation } from "../world/violation.ts";
import type { World } from "../world/world.ts";
import { drawAccess } from "./names.ts";
import { Reservations, type Reserving } from "./reserving.ts";
import { drawRoutine } from "./routines.ts";
import { drawStrategy, Strategies } from "./strategies.ts";
import { drawCarve } from "./tranches.ts";
import { drawShadow } from "./tried.ts";

export interface CustomerOptions {
  readonly world: World;
  readonly name: string;
  /** Address of coordination. */
  readonly coordination: string;
  readonly onWorkerReady: (ready: WorkerReady) => void;
}

interface Swarm {
  readonly id: string;
  readonly credits: number;
  /** Undefined: not limited. */
  readonly toolCalls: number | undefined;
}

interface SwarmOrder {
  readonly requestId: string;
  readonly credits: number;
  readonly toolCalls: number | undefined;
  readonly account: string;
}

type RunRequest = Parameters<Client<typeof CoordinationService>["runRoutine"]>[0];

type UpdateRequest = Parameters<Client<typeof CoordinationService>["updateLimits"]>[0];

const ATTEMPTS_MAX = 60;
const UPDATE_ATTEMPTS_MAX = 6;

export class Customer {
  readonly #options: CustomerOptions;
  readonly #process: VirtualProcess;
  readonly #chance: Chance;
  readonly #coordination: Client<typeof CoordinationService>;
  readonly swarms: Swarm[] = [];
  readonly #runs: string[] = [];
  /**
   * The runs that a request made, to see that it makes no second: the first one, and each that was told to be the next attempt of one of
   * them. Whoever joins again is told what happened from the beginning, so that any of them may be told at any time.
   */
  readonly #attemptsOf = new Map<string, Set<string>>();
  /** Apart, so that what is drawn for limits does not change what else happens. */
  readonly #limits: Chance;
  /** Apart for the same reason: who is more important, and how those who wait are ordered. */
  readonly #ranks: Chance;
  /** Apart for the same reason: where work may be preempted. */
  readonly #preempting: Chance;
  /** And whether it is paused at the worst. */
  readonly #pausing: Chance;
  /** And how budget is taken back. */
  readonly #modes: Chance;
  /** And which names of tools and resources are wanted. */
  readonly #names: Chance;
  /** And what is carved inside credits. */
  readonly #carving: Chance;
  /** And which policies are tried. */
  readonly #tried: Chance;
  /** And which strategies are set live. */
  readonly #strategies: Chance;
  readonly #reservations: Reservations;
  readonly #setting: Strategies;
  #updates = 0;
  #resumptions = 0;
  #requests = 0;
  #ends = false;

  constructor(options: CustomerOptions) {
    this.#options = options;
    const { world, name, coordination } = options;
    this.#process = world.clock.process();
    this.#chance = world.chance.fork(name);
    this.#limits = world.chance.fork(`${name} limits`);
    this.#ranks = world.chance.fork(`${name} ranks`);
    this.#preempting = world.chance.fork(`${name} preempting`);
    this.#pausing = world.chance.fork(`${name} pausing`);
    this.#modes = world.chance.fork(`${name} modes`);
    this.#names = world.chance.fork(`${name} names`);
    this.#tried = world.chance.fork(`${name} tried`);
    this.#strategies = world.chance.fork(`${name} strategies`);
    this.#carving = world.chance.fork(`${name} carving`);
    this.#coordination = world.network.connector(`${name}:1`, this.#process)(coordination).client(CoordinationService);
    const asking: Omit<Reserving, "chance"> = {
      name,
      coordination: this.#coordination,
      persist: (ask) => this.#persist(ask, UPDATE_ATTEMPTS_MAX),
      tell: (what, about) => this.#tell(what, about),
    };
    this.#reservations = new Reservations({ ...asking, chance: world.chance.fork(`${name} reserving`) });
    this.#setting = new Strategies({ ...asking, chance: world.chance.fork(`${name} setting`) });
  }

  get #isContended(): boolean {
    return this.#options.world.temper === "contended";
  }

  #requestId(): string {
    this.#requests += 1;
    return `${this.#options.name}-${this.#requests}`;
  }

  makeSwarm(): void {
    const account = this.#chance.pick(["global/a", "global/b"]);
    const credits = this.#chance.pick(this.#isContended ? [400, 900, 1_500] : [400, 1_500, 6_000]);
    const toolCalls = this.#chance.percent(40) ? this.#chance.between(3, 40) : undefined;
    this.#inBackground(this.#makeSwarm({ requestId: this.#requestId(), credits, toolCalls, account }));
  }

  async #makeSwarm({ requestId, credits, toolCalls, account }: SwarmOrder): Promise<void> {
    const queue = this.#isContended ? this.#preemption() : this.#chance.percent(30) ? this.#queue() : {};
    const limits = { maxCredits: BigInt(credits), ...toolLimit(toolCalls), ...drawCarve(this.#carving, credits, 50) };
    const request = {
      requestId,
      account,
      name: requestId,
      limits,
      policy: { ...queue, ...drawShadow(this.#tried, 40) },
      ...this.#reservations.outOf(account),
    };
    const answer = await this.#persist(() => this.#coordination.createSwarm(request));
    const id = answer?.swarm?.allocationId;
    if (id === undefined || this.swarms.some((swarm) => swarm.id === id)) return;
    this.#tell(`has swarm ${id} of ${credits}`, id);
    this.swarms.push({ id, credits, toolCalls });
    if (this.#ends) this.#stop(id);
  }

  #queue() {
    if (this.#preempting.percent(50)) return this.#preemption();
    if (this.#ranks.percent(40)) return { strategy: ConflictStrategy.QUEUE_AND_WAIT };
    if (this.#ranks.percent(40)) return { strategy: ConflictStrategy.PROPORTIONAL_SHARING };
    return { strategy: ConflictStrategy.PRIORITY_BASED, agingStepMs: this.#ranks.pick([0, 200, 2_000]) };
  }

  #preemption() {
    const chance = this.#preempting;
    const protectMs = chance.pick([0, 300, 2_000]);
    const rules = { protectMs, coolDownMs: chance.pick([0, 3_000]), graceMs: chance.pick([0, 700]) };
    const shrinks = chance.percent(this.#isContended ? 5 : 25);
    const harder = this.#pausing.percent(this.#isContended ? 75 : 40) ? WorstPreemption.PAUSE : WorstPreemption.STOP;
    const worst = shrinks ? WorstPreemption.SHRINK : harder;
    const preemption = { ...rules, worst, victimsPerRoundMax: chance.pick([1, 64]), worthPercentMin: 0 };
    return { strategy: ConflictStrategy.PREEMPTION_ALLOWED, preemption };
  }

  runRoutine(): void {
    const chance = this.#chance;
    if (this.swarms.length === 0) return;
    const swarm = chance.pick(this.swarms);
    const requestId = this.#requestId();
    const parts = this.#isContended ? chance.between(2, 3) : chance.between(1, 4);
    const credits = Math.max(10, Math.floor(swarm.credits / parts));
    const attachWithinMs = chance.between(2_000, 12_000);
    const routine = drawRoutine(chance, {
      name: requestId,
      credits,
      attachWithinMs,
      undivided: this.#isContended,
      names: this.#names,
      tranches: this.#carving,
    });
    const limits = {
      maxCredits: BigInt(credits),
      ...toolLimit(swarm.toolCalls && Math.ceil(swarm.toolCalls / chance.between(1, 3))),
      ...(chance.percent(15) ? { maxDurationMs: BigInt(chance.between(2_000, 40_000)) } : {}),
    };
    const isNamed = this.#options.world.temper === "named";
    const priority = this.#ranks.pick(
      this.#isContended ? [1, 1, 1, 1, 2, 2, 3, 4] : [0, 1, 2, 3, 4, 5],
    ) as ExecutionPriority;
    const request = {
      requestId,
      swarmId: swarm.id,
      routine,
      limits,
      priority,
      waitMs: chance.percent(this.#isContended || isNamed ? 85 : 30) ? this.#patienceMs() : 0,
    };
    const share = this.#ranks.percent(50)
      ? { weight: this.#ranks.pick([0, 1, 3]), minCredits: this.#ranks.pick([10n, BigInt(credits) / 2n]) }
      : undefined;
    this.#options.world.counts.runs += 1;
    const places = [...this.swarms.slice(-3).map(({ id }) => id), "global/a", "global/b"];
    this.#inBackground(this.#reservations.act(places));
    this.#inBackground(this.#setting.act(places));
    const reserved = this.#reservations.outOf(swarm.id);
    const order = { ...request, ...(share && { share }), ...drawAccess(this.#names, isNamed ? 75 : 20), ...reserved };
    this.#inBackground(this.#follow(order));
    if (chance.percent(10)) this.#inBackground(this.#follow(order));
  }

  /** Long enough, sometimes, for those who were asked for what is free and do not give it to be paused. */
  #patienceMs(): number {
    return this.#pausing.percent(this.#isContended ? 85 : 50) ? 30_000 : 5_000;
  }

  /** Follows a run to its end over lost streams. */
  async #follow(request: RunRequest & { readonly requestId: string }): Promise<void> {
    let runId: string | undefined;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      try {
        const asked = runId !== undefined && this.#chance.percent(50) ? { runId } : undefined;
        const told = asked ? this.#coordination.watchRun(asked) : this.#coordination.runRoutine(request);
        for await (const { events } of told) {
          for (const event of events) {
            runId = this.#onEvent(request.requestId, event) ?? runId;
            if (event.event.case === "finished") return;
          }
        }
      } catch (error) {
        if (isFinal(error)) return;
      }
      if (runId === undefined && this.#options.world.healed) return;
      await this.#pause(200, 3_000);
    }
  }

  #onEvent(requestId: string, { event }: RunEvent): string | undefined {
    if (event.case === "workerReady") this.#options.onWorkerReady(event.value);
    if (event.case === "preempted") this.#givesWay(requestId, event.value);
    if (event.case !== "started") return undefined;
    const runId = event.value.run?.allocationId;
    if (runId === undefined) return undefined;
    this.#checkIsOf(requestId, runId);
    if (this.#runs.includes(runId)) return runId;
    this.#tell(`has run ${runId}`, runId);
    this.#runs.push(runId);
    return runId;
  }

  /** The next attempt is another run for the same request; the one before must have been the request's. */
  #givesWay(requestId: string, { allocationId, nextAllocationId }: RunPreempted): void {
    this.#checkIsOf(requestId, allocationId);
    const attempts = this.#attemptsOf.get(requestId);
    if (attempts?.has(nextAllocationId)) return;
    attempts?.add(nextAllocationId);
    this.#tell(`sees ${allocationId} give way, and wait as ${nextAllocationId}`, nextAllocationId);
  }

  /** A run that is told for a request is the first, or an attempt of it that was told of. */
  #checkIsOf(requestId: string, runId: string): void {
    const attempts = this.#attemptsOf.get(requestId);
    if (!attempts) this.#attemptsOf.set(requestId, new Set([runId]));
    if (!attempts || attempts.has(runId)) return;
    const message = `RunRoutine ${requestId} was answered with run ${[...attempts].join(", ")} and then with ${runId}`;
    this.#options.world.fail(new Violation("A5.two-answers", message, [...attempts, runId]));
  }

  /** Takes budget back from a run: some, or everything; or has it stand still for a while, or ends it. */
  preempt(): void {
    if (this.#runs.length === 0) return;
    const runId = this.#chance.pick(this.#runs.slice(-6));
    const amounts = this.#chance.percent(50) ? { amounts: { credits: BigInt(this.#chance.between(1, 1_000)) } } : {};
    const mode = this.#modes.weighted({ SHRINK: 60, PAUSE: 28, STOP: this.#isContended ? 40 : 12 });
    const how = mode === "SHRINK" ? amounts : mode === "STOP" ? { graceMs: this.#modes.between(0, 5_000) } : {};
    const asked = { preemptionId: this.#requestId(), runId, reason: "simulated", waitMs: 2_000 };
    const request = { ...asked, ...how, mode: PreemptionMode[mode] };
    this.#tell(`preempts ${runId} by ${mode}`, runId);
    this.#inBackground(this.#preempt(request));
    if (this.#chance.percent(20)) this.#inBackground(this.#preempt(request));
    if (mode === "PAUSE" && this.#modes.percent(85)) this.#resumeLater(runId);
  }

  /** Some time after it asked for the pause, which may not have come to everybody by then. */
  #resumeLater(run: string): void {
    this.#resumptions += 1;
    const requestId = `${this.#options.name}-resume-${this.#resumptions}`;
    this.#process.after(this.#modes.pick([0, 20, 500, 4_000, 20_000]), () => {
      this.#tell(`resumes ${run}`, run);
      this.#inBackground(this.#persist(() => this.#coordination.resume({ requestId, run }), UPDATE_ATTEMPTS_MAX));
    });
  }

  async #preempt(request: Parameters<Client<typeof CoordinationService>["preemptRun"]>[0]): Promise<void> {
    for await (const _ of this.#coordination.preemptRun(request));
  }

  /** A person gives up whoever is silent about this allocation. */
  writeOff(allocationId: string): void {
    this.#tell(`writes off ${allocationId}`, allocationId);
    const request = { requestId: this.#requestId(), allocationId, reason: "simulated" };
    this.#inBackground(this.#coordination.writeOff(request));
  }

  /** A person changes limits of a swarm, a run or an account, up or down, also to what cannot be. */
  updateLimits(): void {
    const chance = this.#limits;
    const what = chance.weighted({ swarm: 60, run: 30, account: 10 });
    const overrides = { maxCredits: BigInt(chance.between(0, chance.pick([300, 3_000, 8_000]))), ...someTime(chance) };
    if (what === "account") this.#update(chance.pick(["global/a", "global/b"]), { maxCredits: overrides.maxCredits });
    else {
      const ids = what === "swarm" ? this.swarms.map(({ id }) => id) : this.#runs.slice(-6);
      const carve = drawCarve(this.#carving, Number(overrides.maxCredits), 30);
      if (ids.length > 0) this.#update(chance.pick(ids), { ...overrides, ...carve });
    }
  }

  #update(allocationId: string, overrides: UpdateRequest["overrides"]): void {
    this.#updates += 1;
    const requestId = `${this.#options.name}-limits-${this.#updates}`;
    const request = { requestId, allocationId, overrides, ...drawStrategy(this.#strategies) };
    this.#tell(`changes the limits of ${allocationId}`, allocationId);
    const answers = [this.#ask(request), ...(this.#limits.percent(20) ? [this.#ask(request)] : [])];
    this.#inBackground(Promise.all(answers).then((told) => this.#sameAnswer(request.requestId, told)));
  }

  async #ask(request: UpdateRequest): Promise<string | undefined> {
    const answer = await this.#persist(() => this.#coordination.updateLimits(request), UPDATE_ATTEMPTS_MAX);
    return answer && `${answer.before?.maxCredits} then ${answer.after?.maxCredits}`;
  }

  /** One request has one effect, however often it is asked; a refusal is none. */
  #sameAnswer(requestId: string, told: readonly (string | undefined)[]): void {
    const different = new Set(told.filter((answer) => answer !== undefined));
    if (different.size <= 1) return;
    const message = `UpdateLimits ${requestId} was answered with ${[...different].join(" and ")}`;
    this.#options.world.fail(new Violation("A5.two-answers", message, [requestId]));
  }

  stopSwarm(): void {
    if (this.swarms.length > 1) this.#stop(this.#chance.pick(this.swarms).id);
  }

  /** Stops every swarm, also those whose making is answered later. */
  stopAll(): void {
    this.#ends = true;
    for (const { id } of this.swarms) this.#stop(id);
  }

  #stop(swarm: string): void {
    this.#tell(`stops ${swarm}`, swarm);
    this.#inBackground(
      this.#persist(() => this.#coordination.stopSwarm({ swarm, reason: "simulated", waitMs: 1_000 })),
    );
  }

  /** Asks until there is an answer, or a refusal. */
  async #persist<T>(ask: () => Promise<T>, attemptsMax = ATTEMPTS_MAX): Promise<T | undefined> {
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      try {
        return await ask();
      } catch (error) {
        if (isFinal(error)) return undefined;
      }
      await this.#pause(200, 3_000);
    }
    return undefined;
  }

  /** A call that fails has told it all; nobody waits for it. */
  #inBackground(work: Promise<unknown>): void {
    work.catch(() => undefined);
  }

  #pause(fromMs: number, toMs: number): Promise<void> {
    return new Promise((resolve) => this.#process.after(this.#chance.between(fromMs, toMs), resolve));
  }

  #tell(what: string, about: string): void {
    this.#options.world.story.tell(this.#options.name, what, [about]);
  }
}

function someTime(chance: Chance) {
  return chance.percent(15) ? { maxDurationMs: BigInt(chance.between(10_000, 400_000)) } : {};
}

function toolLimit(toolCalls: number | undefined) {
  return toolCalls === undefined ? {} : { maxToolCalls: BigInt(toolCalls) };
}

/** The other side has read the request, and asking again does not help. */
function isFinal(error: unknown): boolean {
  if (error instanceof RefusalError) return error.refusal.retryAfterMs === undefined;
  return error instanceof FaultError && error.error.retryAfterMs === undefined;
}
