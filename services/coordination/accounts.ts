/**
 * The accounts file at start, as journaled acts. Accounts that are new are opened. Of known ones each is compared with what the file said when
 * it was last applied: an entry that has changed since is applied whole, one that has not changes nothing, so that limits that a person has
 * changed live outlast a restart. What has changed and cannot be done now is a problem of the file; all of them are reported at once. The
 * journal is the truth; an account that the file no longer names stays.
 */
import { readFileSync } from "node:fs";
import { type Limits, limitsOf, RESOURCES } from "#budget";
import { type AccountSpec, formatProblems, readAccountsDocument } from "#codec";
import { type DaemonBase, SettingsError } from "#daemon";
import { errorOfRefusal } from "#tier";
import {
  type AccountEntry,
  accountId,
  appliedText,
  noteApplied,
  openAccount,
  setLimits,
  textOf,
} from "./account-entry.ts";

type Base = Pick<DaemonBase, "loop" | "ids" | "log">;

interface Failed {
  readonly entry: AccountEntry;
  readonly message: string;
}

/** Reads and applies the file. Throws SettingsError naming every problem. */
export async function applyAccounts(base: Base, file: string): Promise<void> {
  let left = await changedOf(base, flatten(readAccounts(file)));
  // Raising one account may need another lowered first: what does not work yet is tried again as long as anything moves.
  while (left.length > 0) {
    const failed: Failed[] = [];
    for (const entry of left) {
      const message = await apply(base, entry);
      if (message !== undefined) failed.push({ entry, message });
    }
    const moved = failed.length < left.length || (await lowerFirst(base, failed));
    if (!moved) throw new SettingsError(failed.map((problem) => problemLine(file, problem)).join("\n"));
    left = failed.map(({ entry }) => entry);
  }
}

function problemLine(file: string, { entry, message }: Failed): string {
  return `${file}: account ${entry.path}: ${message}`;
}

function readAccounts(file: string): readonly AccountSpec[] {
  let text: Uint8Array;
  try {
    text = readFileSync(file);
  } catch (error) {
    throw new SettingsError(`cannot read the accounts file ${file}: ${error instanceof Error ? error.message : error}`);
  }
  const read = readAccountsDocument({ file, text });
  if (!read.ok) throw new SettingsError(formatProblems(read.problems));
  return read.value.accounts;
}

/** From the top down, as accounts are opened and raised. */
function flatten(accounts: readonly AccountSpec[]): AccountSpec[] {
  return accounts.flatMap((account) => [account, ...flatten(account.children)]);
}

/** The entries that are not as they were when they were last applied. */
async function changedOf({ loop, log }: Base, entries: readonly AccountEntry[]): Promise<readonly AccountEntry[]> {
  const standings = await loop.read(({ allocations }) =>
    entries.map((entry) => {
      const node = allocations.get(accountId(entry.path));
      const { strategy } = node?.policy ?? {};
      return { entry, applied: node && appliedText(node), limits: node && limitsOf(node), strategy };
    }),
  );
  const changed: AccountEntry[] = [];
  for (const { entry, applied, limits, strategy } of standings) {
    if (applied !== textOf(entry)) changed.push(entry);
    else if (limits && (strategy !== entry.strategy || !isAsWritten(entry, limits))) {
      log.info(
        { account: entry.path, limits, strategy: strategy ?? "inherited" },
        "the account keeps limits and the strategy that were changed live: its entry is unchanged",
      );
    }
  }
  return changed;
}

/** What is carved inside the credits. */
const PARTS = ["priorityBonus", "emergencyReserve", "wrapUpReserve"] as const;

function isAsWritten({ limits }: AccountEntry, now: Limits): boolean {
  const isSame = RESOURCES.every((resource) => limits[resource] === now[resource]);
  return isSame && PARTS.every((part) => (limits[part] ?? 0) === (now[part] ?? 0));
}

/** Undefined when the account is as the file says; otherwise why not. */
async function apply(base: Base, entry: AccountEntry): Promise<string | undefined> {
  const { loop, ids } = base;
  const isKnown = await loop.read(({ allocations }) => allocations.has(accountId(entry.path)));
  const outcome = await loop.ask(isKnown ? setLimits(entry) : openAccount(entry));
  if (outcome.type === "refused") {
    return errorOfRefusal(outcome.refusal, { tier: "coordination", errorId: ids.newId(), onOwn: false }).message;
  }
  if (!isKnown) await loop.ask(noteApplied(entry));
  return undefined;
}

/**
 * Where accounts wait for each other (more of one resource and less of another in both, an account and its parent for example), what is to be
 * lowered is lowered first, from the bottom up. What was so applied is what the note says. True when anything was lowered.
 */
async function lowerFirst({ loop }: Base, failed: readonly Failed[]): Promise<boolean> {
  // A single one waits for no other.
  if (failed.length < 2) return false;
  let moved = false;
  for (const { entry } of failed.toReversed()) {
    const limits = await loop.read(({ allocations }) => {
      const node = allocations.get(accountId(entry.path));
      return node && lowered(limitsOf(node), entry.limits);
    });
    if (!limits) continue;
    const outcome = await loop.ask(setLimits({ ...entry, limits }));
    moved ||= outcome.type !== "refused";
  }
  return moved;
}

/** What is wanted, but no more of anything than now; undefined when nothing of that is less than now. */
function lowered(now: Limits, wanted: Limits): Limits | undefined {
  const less = RESOURCES.filter((resource) => isLess(wanted[resource], now[resource]));
  const more = RESOURCES.filter((resource) => isLess(now[resource], wanted[resource]));
  if (less.length === 0) return undefined;
  const kept = Object.fromEntries(more.map((resource) => [resource, now[resource]]));
  const carved = PARTS.map((part) => [part, Math.min(wanted[part] ?? 0, now[part] ?? 0)]);
  return { ...wanted, ...kept, ...Object.fromEntries(carved) };
}

function isLess(a: number | undefined, b: number | undefined): boolean {
  return a !== undefined && b !== undefined && a < b;
}
