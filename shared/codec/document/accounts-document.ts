/**
 * The accounts file: the tree of accounts that coordination applies at start. A child states every resource that its parent limits,
 * and what the children of an account may use in all fits into it, so that no account promises what it has not got.
 */
import type { Limits, StrategyName } from "#budget";
import { LIMITS } from "#std";
import { defaulted, lazy, list, mapped, object, optional, required } from "./collections.ts";
import { carvedIn, DIVIDED_LIMITS, limits, limitsWithCredits } from "./limits-reader.ts";
import { refuseRepeatedNames } from "./names-check.ts";
import type { Place, Reader } from "./place.ts";
import {
  checkQueue,
  lowBudgetPercents,
  type PolicySpec,
  preemption,
  queue,
  requestMayChoose,
  shadow,
  strategy,
} from "./policy-reader.ts";
import type { DocumentResult } from "./problem.ts";
import { readDocument } from "./read-document.ts";
import { duration, name } from "./scalars.ts";
import type { DocumentInput } from "./source.ts";

/** One account. `path` is the names from the root down, joined by "/". What is absent in `limits` is not limited. */
export interface AccountSpec extends PolicySpec {
  readonly path: string;
  readonly name: string;
  readonly limits: Limits;
  readonly children: readonly AccountSpec[];
}

/** The accounts of a file: one or more roots. */
export interface AccountsDocument {
  readonly accounts: readonly AccountSpec[];
}

type WrittenAccount = Omit<AccountSpec, "path" | "children"> & { readonly accounts: readonly WrittenAccount[] };

const LEVEL = { noun: "accounts", itemsMax: LIMITS.accountsPerLevelMax } as const;
const shortestDuration = duration();

function accountFields<L extends Limits>(limitsReader: Reader<L>) {
  const children: Reader<readonly WrittenAccount[]> = list(
    lazy(() => childAccount),
    LEVEL,
  );
  return {
    name: required("name", name),
    limits: required("limits", limitsReader),
    strategy: optional("strategy", strategy),
    requestMayChoose,
    queue: optional("queue", queue),
    lowBudgetPercents: optional("low_budget_percents", lowBudgetPercents),
    preemption: optional("preemption", preemption),
    shadow: optional("shadow", shadow),
    accounts: defaulted("accounts", children, []),
  };
}

const childAccount: Reader<WrittenAccount> = object(accountFields(limits));
const rootAccount: Reader<WrittenAccount> = object(accountFields(limitsWithCredits));

function checkShares(parent: Place, children: readonly Place[], path: string): void {
  for (const { key, reader } of DIVIDED_LIMITS) {
    const limit = parent.peek(reader, "limits", key);
    if (limit === undefined) continue;
    let total = 0n;
    for (const child of children) {
      const stated = child.find("limits");
      if (stated?.entries() !== undefined && stated.find(key) === undefined) {
        stated.refuseMissing(key, `must be stated, because ${path} limits it to ${limit}`);
      }
      total += BigInt(child.peek(reader, "limits", key) ?? 0);
    }
    // Accounts are of NORMAL priority: what is carved for others they never get.
    const carved = key === "credits" ? carvedIn(parent) : 0n;
    if (total <= BigInt(limit) - carved) continue;
    const most =
      carved === 0n ? `${limit} of ${path}` : `${BigInt(limit) - carved} of ${path} that are kept for nothing else`;
    const excess = `its accounts may use ${total} in all, more than the ${most}; raise this or lower theirs`;
    parent.find("limits", key)?.refuse(excess);
  }
  const longestMs = parent.peek(shortestDuration, "limits", "duration") ?? LIMITS.durationMsMax;
  for (const child of children) {
    const childMs = child.peek(shortestDuration, "limits", "duration") ?? 0;
    if (childMs > longestMs) child.find("limits", "duration")?.refuse(`is longer than that of ${path}; shorten it`);
  }
}

function checkLevel(level: Place, above: { readonly path: string; readonly strategy: StrategyName }): void {
  refuseRepeatedNames(level, "account");
  for (const account of level.items() ?? []) {
    const path = `${above.path}${account.peek(name, "name") ?? "?"}`;
    const inForce = checkQueue(account, above.strategy);
    const below = account.find("accounts");
    if (below === undefined) continue;
    checkShares(account, below.items() ?? [], path);
    checkLevel(below, { path: `${path}/`, strategy: inForce });
  }
}

function withPaths(written: readonly WrittenAccount[], above: string): readonly AccountSpec[] {
  return written.map(({ accounts, ...account }) => {
    const path = `${above}${account.name}`;
    return { ...account, path, children: withPaths(accounts, `${path}/`) };
  });
}

const accountsDocument: Reader<AccountsDocument> = mapped(
  object({ accounts: required("accounts", list(rootAccount, { ...LEVEL, itemsMin: 1 })) }, (place) => {
    const level = place.find("accounts");
    if (level !== undefined) checkLevel(level, { path: "", strategy: "FIRST_COME_FIRST_SERVED" });
  }),
  ({ accounts }) => ({ accounts: withPaths(accounts, "") }),
);

/** Reads an accounts file (see examples/accounts.yaml for its form). */
export function readAccountsDocument(input: DocumentInput): DocumentResult<AccountsDocument> {
  return readDocument(input, accountsDocument);
}
