/** Plays a transcript in the loop of a daemon, on a journal, in virtual time, and tells what it decides as WatchDecisions would. */
import {
  type Amount,
  type Amounts,
  amount,
  amountsOf,
  type DecisionRecord,
  type Limits,
  type OpenWish,
  type Outcome,
  refusalWords,
  shadowWords,
  wordsOf,
} from "#budget";
import { MemoryDisk } from "#journal";
import { assert, LIMITS } from "#std";
import type { CommandInput } from "#tier";
import { amountsText } from "../../shared/budget/strategies/victim-plan-words.ts";
import { Tier } from "../../shared/tier/testing/tier.ts";
import { VirtualClock } from "../../shared/tier/testing/virtual-clock.ts";
import {
  type Account,
  type Act,
  type Asking,
  actLine,
  type Deed,
  decidedLine,
  parseTranscript,
  passesLine,
} from "./transcript.ts";

/** The block with what was decided below each act. */
export async function tellTranscript(block: string): Promise<string> {
  const { accounts, acts } = parseTranscript(block);
  const player = new Player();
  await player.begin(accounts);
  for (const act of acts) await player.play(act);
  const setUp = block.split("\n").filter((line) => line.startsWith("account "));
  return `${[...setUp, ...player.lines].join("\n")}\n`;
}

class Player {
  readonly lines: string[] = [];
  readonly #clock = new VirtualClock();
  readonly #tier = new Tier(this.#clock, new MemoryDisk({ journalId: "scenario", syncs: "at-once" }));
  readonly #told: DecisionRecord[] = [];
  readonly #ids = new Set<string>();
  /** The latest call of each. */
  readonly #calls = new Map<string, string>();
  #startMs = 0;
  #count = 0;

  async begin(accounts: readonly Account[]): Promise<void> {
    for (const { name, limits, policy } of accounts) {
      await this.#tier.run({ type: "open_root", allocationId: name, name, limits, policy });
    }
    this.#startMs = this.#tier.loop.nowMs();
    this.#tier.loop.decisions.follow(({ record }) => this.#told.push(record));
  }

  async play(act: Act): Promise<void> {
    const nowMs = this.#tier.loop.nowMs() - this.#startMs;
    assert(act.atMs >= nowMs, `time does not go back: ${act.text}`);
    await this.#clock.advance(act.atMs - nowMs);
    this.#tellPassing();
    this.lines.push(actLine(act.atMs, act.text));
    const { deed } = act;
    if (deed.type === "is looked at") {
      await this.#tellHoldings(act.who);
      return;
    }
    const before = this.lines.length;
    const outcome = await this.#tier.run(this.#commandOf(act.who, deed));
    assert(this.#tier.faults.length === 0, `nothing is broken by ${act.text}`);
    this.#tell();
    if (this.lines.length === before) this.#tellOutcome(act.who, outcome);
    // What else comes of it in the same moment.
    await this.#clock.settle();
    this.#tell();
  }

  /** What is decided and no decision about budget that is granted: it is in no memory of decisions. */
  #tellOutcome(who: string, outcome: Outcome): void {
    if (outcome.type === "held") {
      const less = outcome.clamped ? ", less than wanted" : "";
      this.lines.push(decidedLine(who, `set aside ${amountsText(outcome.granted)}${less}`));
    }
    if (outcome.type === "refused") this.lines.push(decidedLine(who, refusalWords(outcome.refusal)));
  }

  #tell(): void {
    for (const record of this.#told.splice(0)) this.#tellRecord(record);
  }

  #tellRecord(record: DecisionRecord): void {
    this.lines.push(decidedLine(record.path, wordsOf(record)));
    if (record.shadow) this.lines.push(decidedLine(record.path, shadowWords(record.shadow)));
  }

  #tellPassing(): void {
    let shownMs: number | undefined;
    for (const record of this.#told.splice(0)) {
      const atMs = record.atMs - this.#startMs;
      if (atMs !== shownMs) this.lines.push(passesLine(atMs));
      shownMs = atMs;
      this.#tellRecord(record);
    }
  }

  async #tellHoldings(id: string): Promise<void> {
    const node = await this.#tier.node(id);
    for (const one of [...node.children, node]) {
      const { credits, toolCalls } = one.books;
      const { branches, memoryBytes } = one.held;
      const has = {
        credits: limitOf(credits),
        toolCalls: limitOf(toolCalls),
        branches: limitOf(branches),
        memoryBytes: limitOf(memoryBytes),
      };
      const free = {
        credits: limitOf(credits, credits.available),
        toolCalls: limitOf(toolCalls, toolCalls.available),
        branches: limitOf(branches, branches.limit - branches.inUse),
        memoryBytes: limitOf(memoryBytes, memoryBytes.limit - memoryBytes.inUse),
      };
      this.lines.push(
        decidedLine(one.path, `has ${amountsText(amountsOf(has))}, and ${amountsText(amountsOf(free))} of it free`),
      );
    }
  }

  #commandOf(who: string, deed: Exclude<Deed, { type: "is looked at" }>): CommandInput {
    switch (deed.type) {
      case "asks":
        return { type: "grant", wish: this.#openWish(who, deed.of, deed.asking) };
      case "asks more": {
        const { amounts, min, waitMs } = deed.asking;
        const request = { caller: who, requestId: this.#newId(who), allocationId: who, epoch: undefined };
        const rest = { by: heldIn(amounts), min: heldIn(min), waitMs, strategy: undefined };
        return { type: "grant", wish: { type: "raise", ...request, ...rest } };
      }
      case "reserves": {
        const { of, amounts, startsInMs, lastsMs } = deed;
        const request = { caller: "client", requestId: who, reservationId: who, allocationId: of, name: who } as const;
        return { type: "reserve_ahead", ...request, amounts: heldIn(amounts), startsInMs, lastsMs, priority: "NORMAL" };
      }
      case "calls": {
        const wanted = heldIn(deed.amounts);
        const holdId = this.#newId(who);
        this.#calls.set(who, holdId);
        const call = { requestId: holdId, allocationId: who, holdId, what: "model", name: "m" } as const;
        return { type: "reserve", ...call, wanted, min: wanted, ttlMs: LIMITS.holdTtlMsMax };
      }
      case "settles": {
        const facts = { networkBytes: 0, diskBytes: 0, gpuMs: 0, memoryPeakBytes: 0 };
        const cost = { credits: amount(deed.credits), toolCalls: amount(0), final: true };
        return { type: "settle", allocationId: who, holdId: this.#calls.get(who) ?? "", ...cost, ...facts };
      }
      case "ends":
        return { type: "close", allocationId: who, reason: "finished" };
      case "gives up":
        return { type: "cancel_request", caller: "client", requestId: who };
      default: {
        const request = { caller: "person", requestId: this.#newId(who), allocationId: who };
        return { type: "update_limits", ...request, limits: deed.limits };
      }
    }
  }

  #openWish(who: string, parentId: string, asking: Asking): OpenWish {
    const { amounts, min, priority, weight, waitMs, attemptOf, reservationId, wrapUp, access } = asking;
    assert(!this.#ids.has(who), `${who} has asked before: name the next attempt otherwise`);
    this.#ids.add(who);
    return {
      type: "open",
      caller: "client",
      requestId: who,
      allocationId: who,
      token: undefined,
      parentId,
      name: who,
      kind: "run",
      limits: amounts,
      min: { ...heldIn({}), credits: min.credits ?? amount(0), toolCalls: min.toolCalls ?? amount(0) },
      priority,
      weight,
      policy: {},
      pooled: [],
      byHolder: false,
      holder: undefined,
      leaseTtlMs: 0,
      waitMs,
      strategy: undefined,
      ...(attemptOf === undefined ? {} : { attemptOf }),
      ...(reservationId === undefined ? {} : { reservationId }),
      ...(wrapUp ? { wrapUp } : {}),
      ...(access.length === 0 ? {} : { access }),
    };
  }

  #newId(who: string): string {
    this.#count += 1;
    return `${who}'s ${this.#count}`;
  }
}

function heldIn({ credits, toolCalls, branches, memoryBytes }: Limits): Amounts {
  return amountsOf({ credits, toolCalls, branches, memoryBytes });
}

/** Of what is not limited nothing is told. */
function limitOf({ elastic, limit }: { readonly elastic: boolean; readonly limit: number }, amountOf = limit): Amount {
  return amount(elastic ? 0 : amountOf);
}
