/**
 * The accounts file at start: accounts that are new are opened, known ones get the limits that the file says, as journaled acts. What
 * cannot be done now is a problem of the file; all of them are reported at once. The journal is the truth; an account that the file no
 * longer names stays.
 */
import { readFileSync } from "node:fs";
import { amountsOf, type Limits, NOTHING, type Policy } from "#budget";
import { type AccountSpec, formatProblems, readAccountsDocument } from "#codec";
import { type DaemonBase, SettingsError } from "#daemon";
import type { CommandInput } from "#tier";
import { errorOfRefusal } from "#tier";

/** Ids of accounts follow from their paths, so that the same file applied twice changes nothing. */
export function accountId(path: string): string {
  return `account:${path}`;
}

/** Reads and applies the file. Throws SettingsError naming every problem. */
export async function applyAccounts(base: DaemonBase, file: string): Promise<void> {
  const accounts = readAccounts(file);
  let left = flatten(accounts);
  // Raising one account may need another lowered first: what does not work yet is tried again as long as anything moves.
  for (;;) {
    const failed: { readonly account: AccountSpec; readonly message: string }[] = [];
    for (const account of left) {
      const message = await apply(base, account);
      if (message !== undefined) failed.push({ account, message });
    }
    if (failed.length === 0) return;
    if (failed.length === left.length) {
      throw new SettingsError(
        failed.map(({ account, message }) => `${file}: account ${account.path}: ${message}`).join("\n"),
      );
    }
    left = failed.map(({ account }) => account);
  }
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

function flatten(accounts: readonly AccountSpec[]): AccountSpec[] {
  return accounts.flatMap((account) => [account, ...flatten(account.children)]);
}

/** Undefined when the account is as the file says; otherwise why not. */
async function apply(base: DaemonBase, account: AccountSpec): Promise<string | undefined> {
  const allocationId = accountId(account.path);
  const known = await base.loop.read((state) => state.allocations.has(allocationId));
  const outcome = await base.loop.ask(known ? setLimits(account, allocationId) : openAccount(account, allocationId));
  if (outcome.type !== "refused") return undefined;
  return errorOfRefusal(outcome.refusal, { tier: "coordination", errorId: base.ids.newId(), onOwn: false }).message;
}

function policyOf({ strategy, queue }: AccountSpec): Policy {
  return {
    ...(strategy === undefined ? {} : { strategy }),
    ...(queue?.lengthMax === undefined ? {} : { queueLengthMax: queue.lengthMax }),
    ...(queue?.waitMaxMs === undefined ? {} : { queueWaitMsMax: queue.waitMaxMs }),
  };
}

function setLimits(account: AccountSpec, allocationId: string): CommandInput {
  return { type: "set_limits", allocationId, limits: account.limits, policy: policyOf(account) };
}

function openAccount(account: AccountSpec, allocationId: string): CommandInput {
  const { name, path, limits } = account;
  const policy = policyOf(account);
  const parent = path.slice(0, -name.length - 1);
  if (parent === "") return { type: "open_root", allocationId, name, limits, policy };
  const rank = { kind: "account", priority: "NORMAL", weight: 1, strategy: undefined, waitMs: 0 } as const;
  const alone = { token: undefined, pooled: [], byHolder: false, holder: undefined, leaseTtlMs: 0 } as const;
  const place = { allocationId, parentId: accountId(parent), name, limits, min: leastOf(limits), policy };
  return {
    type: "grant",
    wish: { type: "open", caller: "accounts-file", requestId: path, ...place, ...rank, ...alone },
  };
}

function leastOf({ credits, toolCalls }: Limits) {
  return { ...NOTHING, ...amountsOf({ credits, toolCalls }) };
}
