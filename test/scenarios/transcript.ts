/**
 * Scenario files: Markdown in which the blocks marked `transcript` are played. Such a block has an account, acts at their times, and below each
 * act, behind an arrow, what was decided and why, in the words of `bursar why`:
 *
 *     account team: 100 credits, QUEUE_AND_WAIT
 *     at 0s    first asks 80 credits of team
 *              -> team/first: granted in full: …
 *
 * What is decided by time alone stands below a line `at 5s time passes`. This file reads the acts; what is behind the arrows is not read but
 * told anew (player.ts), and the whole block compared word for word.
 */
import {
  type Amounts,
  amount,
  type Limits,
  type OpenWish,
  type Policy,
  PRIORITIES,
  type Priority,
  STRATEGIES,
} from "#budget";
import { assert, durationOf } from "#std";

export interface Account {
  readonly name: string;
  readonly limits: Limits;
  readonly policy: Policy;
}

export interface Asking {
  readonly amounts: Limits;
  readonly min: Limits;
  readonly priority: Priority;
  readonly weight: number;
  readonly waitMs: number;
  readonly attemptOf: string | undefined;
  readonly reservationId: string | undefined;
  readonly wrapUp: boolean;
  readonly access: NonNullable<OpenWish["access"]>;
}

export type Deed =
  | { readonly type: "asks"; readonly of: string; readonly asking: Asking }
  | { readonly type: "asks more"; readonly asking: Asking }
  | {
      readonly type: "reserves";
      readonly of: string;
      readonly amounts: Limits;
      readonly startsInMs: number;
      readonly lastsMs: number;
    }
  | { readonly type: "calls"; readonly amounts: Limits }
  | { readonly type: "settles"; readonly credits: number }
  | { readonly type: "ends" }
  | { readonly type: "gives up" }
  /** Nothing is asked: what its children hold is told. */
  | { readonly type: "is looked at" }
  | { readonly type: "is limited"; readonly limits: Limits };

export interface Act {
  readonly atMs: number;
  readonly who: string;
  readonly deed: Deed;
  /** As it is written, without its time. */
  readonly text: string;
}

export interface Transcript {
  readonly accounts: readonly Account[];
  readonly acts: readonly Act[];
}

const ARROW = "->";
const PASSES = "time passes";

export function parseTranscript(block: string): Transcript {
  const accounts: Account[] = [];
  const acts: Act[] = [];
  for (const line of block.split("\n").map((each) => each.trim())) {
    if (line === "" || line.startsWith(ARROW)) continue;
    const [, name, rest = ""] = /^account (\S+): (.*)$/.exec(line) ?? [];
    if (name !== undefined) {
      accounts.push(accountOf(name, rest));
      continue;
    }
    const [, time = "", text = ""] = /^at (\S+)\s+(.*)$/.exec(line) ?? [];
    if (text === PASSES) continue;
    acts.push({ atMs: msOf(time, line), ...actOf(text, line), text });
  }
  return { accounts, acts };
}

function accountOf(name: string, rest: string): Account {
  const [written = "", ...options] = rest.split(", ");
  let policy: Policy = {};
  let limits = limitsOf(written);
  for (const option of options) {
    const carved = carvedBy(option);
    if (carved) limits = { ...limits, ...carved };
    else policy = { ...policy, ...policyOf(option, policy) };
  }
  return { name, limits, policy };
}

const CARVED = {
  "priority bonus": "priorityBonus",
  "emergency reserve": "emergencyReserve",
  "wrap-up reserve": "wrapUpReserve",
} as const;

/** A part of the credits that is kept for some: `priority bonus 20 credits`. */
function carvedBy(option: string): Partial<Limits> | undefined {
  const [, part = "", rest = ""] = /^(priority bonus|emergency reserve|wrap-up reserve) (.+)$/.exec(option) ?? [];
  const name = CARVED[part as keyof typeof CARVED];
  return name && { [name]: limitsOf(rest).credits };
}

function policyOf(option: string, { preemption = {} }: Policy): Policy {
  const strategy = STRATEGIES.find((each) => each === option);
  if (strategy) return { strategy };
  const tried = STRATEGIES.find((each) => option === `trying ${each}`);
  if (tried) return { shadow: { strategy: tried } };
  const [, what, time = ""] = /^(protects|cools down for|raises by waiting|grace) (\S+)$/.exec(option) ?? [];
  const ms = what === undefined ? 0 : msOf(time, option);
  if (what === "protects") return { preemption: { ...preemption, protectMs: ms } };
  if (what === "cools down for") return { preemption: { ...preemption, coolDownMs: ms } };
  if (what === "grace") return { preemption: { ...preemption, graceMs: ms } };
  if (what === "raises by waiting") return { agingStepMs: ms };
  return unknown(option);
}

function actOf(text: string, line: string): Pick<Act, "who" | "deed"> {
  const [, who = "", did = ""] = /^(\S+) (.*)$/.exec(text) ?? [];
  return { who, deed: deedOf(did) ?? unknown(line) };
}

function deedOf(did: string): Deed | undefined {
  const [, wish, of] = /^asks ([^,]+) of ([^\s,]+)(?:,.*)?$/.exec(did) ?? [];
  if (wish !== undefined && of !== undefined) return { type: "asks", of, asking: askingOf(wish, did) };
  const [, kept, at, start = "", length = ""] = /^reserves (.+) of (\S+), in (\S+), for (\S+)$/.exec(did) ?? [];
  if (kept !== undefined && at !== undefined)
    return {
      type: "reserves",
      of: at,
      amounts: limitsOf(kept),
      startsInMs: msOf(start, did),
      lastsMs: msOf(length, did),
    };
  const [, more] = /^asks ([^,]+) more(?:,.*)?$/.exec(did) ?? [];
  if (more !== undefined) return { type: "asks more", asking: askingOf(more, did) };
  const [, call] = /^begins a call of (.+)$/.exec(did) ?? [];
  if (call !== undefined) return { type: "calls", amounts: limitsOf(call) };
  const [, cost] = /^ends its call at (.+)$/.exec(did) ?? [];
  if (cost !== undefined) return { type: "settles", credits: limitsOf(cost).credits ?? 0 };
  const [, limits] = /^is limited to (.+)$/.exec(did) ?? [];
  if (limits !== undefined) return { type: "is limited", limits: limitsOf(limits) };
  if (did === "ends" || did === "is looked at") return { type: did };
  return did === "gives up waiting" ? { type: "gives up" } : undefined;
}

/** What follows the wish, behind commas. */
function askingOf(wish: string, did: string): Asking {
  const plain = { priority: "NORMAL", weight: 1, waitMs: 0, attemptOf: undefined, reservationId: undefined } as const;
  let asking: Asking = { ...plain, amounts: limitsOf(wish), min: limitsOf(wish), wrapUp: false, access: [] };
  for (const option of did.split(", ").slice(1)) asking = { ...asking, ...optionOf(option, asking) };
  return asking;
}

function optionOf(option: string, { access }: Asking): Partial<Asking> {
  const priority = PRIORITIES.find((each) => each === option);
  if (priority) return { priority };
  if (option === "as its final step") return { wrapUp: true };
  const [, what, rest = ""] =
    /^(at least|weight|waits|again after|out of|exclusively|sharing) (.+)$/.exec(option) ?? [];
  if (what === "out of") return { reservationId: rest };
  if (what === "exclusively") return { access: [...access, { name: rest, mode: "EXCLUSIVE" }] };
  if (what === "sharing") return { access: [...access, { name: rest, mode: "SHARED" }] };
  if (what === "at least") return { min: limitsOf(rest) };
  if (what === "weight") return { weight: Number(rest) };
  if (what === "waits") return { waitMs: msOf(rest, option) };
  return what === "again after" ? { attemptOf: rest } : unknown(option);
}

const RESOURCE_OF: Readonly<Record<string, keyof Amounts>> = {
  credit: "credits",
  "tool call": "toolCalls",
  "branch slot": "branches",
  "memory byte": "memoryBytes",
};

/** Such as `40 credits and 1 branch slot`, or for 90s. */
function limitsOf(written: string): Limits {
  const limits: { -readonly [L in keyof Limits]: Limits[L] } = {};
  if (written === "nothing") return limits;
  for (const part of written.split(" and ")) {
    const [, digits = "", name = ""] = /^([0-9_]+) (.+?)s?$/.exec(part) ?? [];
    const resource = RESOURCE_OF[name];
    const [, time] = /^for (\S+)$/.exec(part) ?? [];
    if (time !== undefined) limits.durationMs = msOf(time, part);
    else if (resource) limits[resource] = amount(Number(digits.replaceAll("_", "")));
    else unknown(part);
  }
  return limits;
}

function msOf(time: string, where: string): number {
  const ms = durationOf(time);
  return ms === undefined ? unknown(where) : Number(ms);
}

function unknown(what: string): never {
  throw new Error(`no scenario says it so: ${what}`);
}

const TIME_CHARS = 9;

function timeOf(ms: number): string {
  return ms % 1_000 === 0 ? `${ms / 1_000}s` : `${ms}ms`;
}

export function actLine(atMs: number, text: string): string {
  return `at ${timeOf(atMs).padEnd(TIME_CHARS - 3)}${text}`;
}

export function passesLine(atMs: number): string {
  return actLine(atMs, PASSES);
}

export function decidedLine(path: string, words: string): string {
  return `${" ".repeat(TIME_CHARS)}${ARROW} ${path}: ${words}`;
}

const BLOCK = /(```transcript\n)([\s\S]*?)(```)/g;

/** The file with each of its blocks told anew. */
export async function retold(file: string, tell: (block: string) => Promise<string>): Promise<string> {
  const blocks = [...file.matchAll(BLOCK)].map(([, , block = ""]) => block);
  assert(blocks.length > 0, "a scenario file has a block marked `transcript`");
  const told: string[] = [];
  for (const block of blocks) told.push(await tell(block));
  let at = 0;
  return file.replace(BLOCK, (_, open: string, __, close: string) => {
    at += 1;
    return `${open}${told[at - 1]}${close}`;
  });
}
