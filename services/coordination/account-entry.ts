/** One account of the accounts file, as commands, and as the text by which it is known again. */
import { amountsOf, type Limits, NOTHING } from "#budget";
import { type AccountSpec, policyOfSpec } from "#codec";
import type { CommandInput } from "#tier";

/** Key of the note that keeps, beside an account, what the file said of it when it was last applied. */
const APPLIED_NOTE = "accounts-file";

/** Ids of accounts follow from their paths, so that the same file applied twice changes nothing. */
export function accountId(path: string): string {
  return `account:${path}`;
}

/** What the file says of an account itself; not of those below it. */
export type AccountEntry = Omit<AccountSpec, "children">;

/** The same for entries that say the same, whatever the order of their fields. */
export function textOf(entry: AccountEntry): string {
  return JSON.stringify({ limits: sorted(entry.limits), policy: sorted(policyOfSpec(entry)) });
}

function sorted(fields: object): object {
  return Object.fromEntries(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The text of the entry that was last applied; undefined where a release before this note has applied it. */
export function appliedText({ notes }: { readonly notes: ReadonlyMap<string, string> }): string | undefined {
  return notes.get(APPLIED_NOTE);
}

/** The note is written with the change, in one event batch: it never says what was not done, nor the other way round. */
export function setLimits(entry: AccountEntry): CommandInput {
  const note = { key: APPLIED_NOTE, value: textOf(entry) };
  const allocationId = accountId(entry.path);
  return { type: "set_limits", allocationId, limits: entry.limits, policy: policyOfSpec(entry), note };
}

/** The note of an account that was just opened. Where it is missing after a crash, the entry is applied once more, which changes nothing. */
export function noteApplied(entry: AccountEntry): CommandInput {
  const allocationId = accountId(entry.path);
  return { type: "attach_note", allocationId, key: APPLIED_NOTE, value: textOf(entry) };
}

export function openAccount(entry: AccountEntry): CommandInput {
  const { name, path, limits } = entry;
  const allocationId = accountId(path);
  const policy = policyOfSpec(entry);
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
