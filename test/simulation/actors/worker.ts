/**
 * A worker of a step, outside of every daemon: reserves, spends in the world, settles; and now and then overruns, is late, repeats
 * itself, vanishes, and comes back. It spends only under a hold that was answered and has not lapsed as far as it knows.
 */
import { CallKind } from "../../../shared/gen/bursar/v1/meter_service_pb.js";
import { type WorkerReady, WorkOutcome } from "../../../shared/gen/bursar/v1/run_pb.js";
import type { VirtualProcess } from "../../../shared/tier/testing/virtual-clock.ts";
import type { PerSpendable } from "../auditor/ledger.ts";
import type { TrueCall } from "../auditor/truth.ts";
import type { Chance } from "../world/chance.ts";
import { Violation } from "../world/violation.ts";
import type { World } from "../world/world.ts";
import { MeterLine } from "./meter.ts";
import { drawTool } from "./names.ts";

interface OpenCall {
  readonly truth: TrueCall;
  readonly lapsesAtMs: number;
}

export class Worker {
  readonly name: string;
  readonly #world: World;
  readonly #ready: WorkerReady;
  readonly #chance: Chance;
  /** Apart, so that what is called does not change what else happens. */
  readonly #tools: Chance;
  #process: VirtualProcess;
  #line: MeterLine;
  #lives = 0;
  #requests = 0;
  /** Calls that were made and not yet settled for the last time. */
  readonly #open = new Set<OpenCall>();

  constructor(world: World, name: string, ready: WorkerReady) {
    this.#world = world;
    this.name = name;
    this.#ready = ready;
    this.#chance = world.chance.fork(name);
    this.#tools = world.chance.fork(`${name} tools`);
    this.#process = world.clock.process();
    this.#line = this.#newLine();
  }

  get allocationId(): string {
    return this.#ready.allocationId;
  }

  get gone(): boolean {
    return this.#process.ended;
  }

  get process(): VirtualProcess {
    return this.#process;
  }

  begin(): void {
    this.#work().catch((error: unknown) => this.#world.actorFailed(this.name, error));
  }

  /** It dies, and leaves what it has not settled. */
  vanish(): void {
    this.#tell("vanishes");
    this.#process.end();
    this.#world.network.vanish(this.#process, this.#chance.between(0, 5_000));
  }

  /** It is back: settles what it has done, and says that it is complete. */
  comeBack(): void {
    if (!this.gone) return;
    this.#tell("comes back");
    this.#process = this.#world.clock.process();
    this.#lives += 1;
    this.#line = this.#newLine();
    this.#finish().catch((error: unknown) => this.#world.actorFailed(this.name, error));
  }

  get #isContended(): boolean {
    return this.#world.temper === "contended";
  }

  /** How long a call takes. */
  #callMs(): number {
    const isLong = (this.#isContended || this.#world.temper === "named") && this.#chance.percent(70);
    return isLong ? this.#chance.between(3_000, 18_000) : this.#chance.between(0, 300);
  }

  get #address(): string {
    return `${this.name}.${this.#lives}:1`;
  }

  #newLine(): MeterLine {
    const { network } = this.#world;
    const process = this.#process;
    return new MeterLine({ network, process, chance: this.#chance, from: this.#address, ready: this.#ready });
  }

  async #work(): Promise<void> {
    await this.#line.pause(this.#chance.between(0, 500));
    const slow = this.#chance.percent(this.#isContended ? 60 : 25);
    const count = this.#chance.between(1, 6);
    for (let at = 0; at < count; at += 1) {
      if (!(await this.#call())) break;
      if (this.#chance.percent(5)) this.#line.hangUp();
      if (slow) await this.#line.pause(this.#chance.between(1_000, 8_000));
    }
    await this.#finish();
  }

  /** One call from reserve to settle. False when there is no budget for it. */
  async #call(): Promise<boolean> {
    const chance = this.#chance;
    this.#requests += 1;
    const requestId = `r${this.#requests}`;
    // Small ones fit into an allowance.
    const [least, most] = chance.percent(50) ? [1, 12] : this.#isContended ? [300, 900] : [1, 400];
    const wanted = { credits: BigInt(chance.between(least, most)), toolCalls: chance.percent(30) ? 1n : 0n };
    const minAmount = { credits: chance.percent(50) ? wanted.credits : 1n, toolCalls: wanted.toolCalls };
    const ttlMs = this.#isContended ? 20_000 : chance.weighted({ 300: 1, 2000: 3, 8000: 4, 20000: 2 });
    const { allocationId } = this.#ready;
    const reserve = {
      requestId,
      allocationId,
      ...(this.#tools.percent(25)
        ? { kind: CallKind.TOOL, name: drawTool(this.#tools) }
        : { kind: CallKind.MODEL, name: "m" }),
      wanted,
      minAmount,
      ttlMs: Number(ttlMs),
    };
    const answer = await this.#line.ask({ case: "reserve", value: reserve });
    if (answer?.case !== "held") return false;
    const heldMs = this.#process.monotonicMs();
    const { holdId, granted, ttlMs: leftMs } = answer.value;
    const call = this.#heard({ requestId, holdId, granted });
    if ((granted?.credits ?? 0n) < minAmount.credits || (granted?.toolCalls ?? 0n) < minAmount.toolCalls) {
      const message = `hold ${holdId} is answered with ${granted?.credits} credits where ${minAmount.credits} are the least of use`;
      this.#world.fail(new Violation("A2.minimum", message, [allocationId, holdId, this.name]));
    }
    if (!call) return false;
    const open: OpenCall = { truth: call, lapsesAtMs: heldMs + leftMs };
    this.#open.add(open);
    this.#world.counts.calls += 1;
    if (chance.percent(10)) await this.#askAgain(requestId, { case: "reserve", value: reserve });
    await this.#line.pause(this.#callMs());
    await this.#spend(open, holdId);
    if (chance.percent(6)) await this.#askAgain(requestId, { case: "reserve", value: reserve });
    return true;
  }

  #heard({ requestId, holdId, granted }: { requestId: string; holdId: string; granted: Granted | undefined }) {
    const amounts = { credits: Number(granted?.credits ?? 0n), toolCalls: Number(granted?.toolCalls ?? 0n) };
    const { allocationId } = this.#ready;
    let call: TrueCall | undefined;
    this.#world.guard(() => {
      call = this.#world.auditor.truth.held({ worker: this.name, allocationId, requestId, holdId, granted: amounts });
    });
    this.#tell(`has hold ${holdId} of ${amounts.credits} credits for ${requestId}`, holdId);
    return call;
  }

  /** The same request again, perhaps on another stream: it must be the same hold. */
  async #askAgain(requestId: string, operation: Parameters<MeterLine["ask"]>[0]): Promise<void> {
    if (this.#chance.percent(50)) this.#line.hangUp();
    const again = await this.#line.ask(operation);
    if (again?.case === "held") this.#heard({ requestId, holdId: again.value.holdId, granted: again.value.granted });
  }

  async #spend(open: OpenCall, holdId: string): Promise<void> {
    const chance = this.#chance;
    const { allocationId } = this.#ready;
    if (chance.percent(this.#isContended ? 50 : 15))
      await this.#line.ask({ case: "extend", value: { allocationId, holdId, ttlMs: 10_000 } });
    if (this.#process.monotonicMs() >= open.lapsesAtMs) {
      await this.#release(open);
      return;
    }
    const { granted } = open.truth;
    const overrun = chance.percent(this.#isContended ? 2 : 8) ? chance.between(1, 200) : 0;
    const costMost = this.#isContended ? Math.ceil(granted.credits / 12) : granted.credits;
    const cost = overrun > 0 ? granted.credits + overrun : chance.between(0, costMost);
    const first = chance.percent(25) ? chance.between(0, cost) : cost;
    const toolCalls = chance.percent(4) ? granted.toolCalls + 1 : granted.toolCalls;
    this.#spendNow(open, { credits: first, toolCalls });
    if (first < cost) {
      await this.#settle(open, false);
      await this.#line.pause(chance.between(0, 200));
      this.#spendNow(open, { credits: cost - first, toolCalls: 0 });
    }
    const later = chance.weighted({ now: 80, late: 12, never: 8 });
    if (later === "never") return;
    if (later === "late") await this.#line.pause(chance.between(500, 15_000));
    await this.#settle(open, true);
    if (chance.percent(8)) await this.#settle(open, true);
  }

  #spendNow(open: OpenCall, by: PerSpendable): void {
    this.#tell(`spends ${by.credits} credits under ${open.truth.holdId}`, open.truth.holdId);
    this.#world.guard(() => this.#world.auditor.spend(open.truth, by));
  }

  async #settle(open: OpenCall, final: boolean): Promise<void> {
    const { truth } = open;
    const { allocationId } = this.#ready;
    const { credits, toolCalls } = truth.spent;
    this.#world.auditor.truth.tell(truth, truth.spent);
    const value = { allocationId, holdId: truth.holdId, credits: BigInt(credits), toolCalls: BigInt(toolCalls), final };
    const answer = await this.#line.ask({ case: "settle", value });
    if (answer?.case !== "settled" || !final) return;
    this.#open.delete(open);
    this.#world.counts.settled += 1;
  }

  async #release(open: OpenCall): Promise<void> {
    const { allocationId } = this.#ready;
    const answer = await this.#line.ask({ case: "release", value: { allocationId, holdId: open.truth.holdId } });
    if (answer?.case === "settled") this.#open.delete(open);
  }

  /** Settles most of what is open, and is complete. */
  async #finish(): Promise<void> {
    for (const open of [...this.#open]) if (this.#chance.percent(70)) await this.#settle(open, true);
    const outcome = this.#chance.percent(85) ? WorkOutcome.SUCCEEDED : WorkOutcome.FAILED;
    const { allocationId } = this.#ready;
    await this.#line.ask({ case: "complete", value: { allocationId, outcome } });
    this.#tell("is done");
    this.#line.hangUp();
  }

  #tell(what: string, holdId = ""): void {
    this.#world.story.tell(this.name, what, [this.#ready.allocationId, holdId]);
  }
}

interface Granted {
  readonly credits: bigint;
  readonly toolCalls: bigint;
}
