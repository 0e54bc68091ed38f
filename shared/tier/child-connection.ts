/**
 * One connection of a child, from its hello on. Nothing goes down before the welcome, which is the first item of a link; and nothing that
 * comes up is taken before the child has answered that welcome, for a connection that was held up on its way is never answered on.
 */
import type { GrantRevision } from "#budget";
import type { DownItem, ParentLink, UpItem } from "#ports";
import { LIMITS } from "#std";
import { type LowBudgetItem, tellsTheSame } from "./directives.ts";

/** A daemon of the tier below that has said hello and is connected. */
export interface ChildDaemon {
  readonly instance: string;
  readonly incarnation: string;
  readonly address: string;
  readonly tier: string;
  /** Work taken at the same time at most; 0 means no bound of its own. */
  readonly capacity: number;
}

export type UpWork = Exclude<UpItem, { readonly type: "hello" }>;

/** A reading of the child's clock, and the engine time at which it came. */
interface Mark {
  readonly childMs: number;
  readonly atMs: number;
}

export class ChildConnection {
  readonly child: ChildDaemon;
  readonly link: ParentLink;
  /** `greeting`: hello is being booked. `welcomed`: not answered yet. `answered`: what was not named goes back. `open`: all is taken. */
  #stage: "greeting" | "welcomed" | "answered" | "open" = "greeting";
  #welcomeId: string | undefined;
  readonly #early: DownItem[] = [];
  #held: UpWork[] = [];
  #mark: Mark | undefined;
  readonly #revised = new Map<string, GrantRevision>();
  readonly #answer = Promise.withResolvers<void>();

  constructor(child: ChildDaemon, link: ParentLink) {
    this.child = child;
    this.link = link;
  }

  /** Resolves when the child has answered the welcome; it may never do so. */
  get answered(): Promise<void> {
    return this.#answer.promise;
  }

  get isOpen(): boolean {
    return this.#stage === "open";
  }

  /** Sends, or keeps for after the welcome. */
  tell(item: DownItem): void {
    if (this.#stage === "greeting") this.#early.push(item);
    else this.link.send([item]);
  }

  /**
   * Tells a revision, and keeps it for `reported`: it may overtake the handover of the grant that it speaks of, and then it is lost on a
   * child that does not know the allocation yet.
   */
  revise(revision: GrantRevision, nowMs: number): void {
    this.keep(revision);
    this.tell(revisionItem(revision, nowMs));
  }

  /**
   * Keeps it for `reported`. What an earlier one said and this one does not speak of still holds: a grant that is raised has the policies
   * that it was told of before.
   */
  keep(revision: GrantRevision): void {
    const { allocationId } = revision;
    const before = this.#revised.get(allocationId);
    this.#revised.delete(allocationId);
    this.#revised.set(allocationId, { ...before, ...revision });
    if (this.#revised.size > LIMITS.revisionsKeptMax) this.#revised.delete(this.#revised.keys().next().value ?? "");
  }

  /** The child reports of the allocation, so that it has the grant: what was revised before that is told again, once. */
  reported(allocationId: string, nowMs: number): void {
    const revision = this.#revised.get(allocationId);
    if (!revision) return;
    this.#revised.delete(allocationId);
    this.tell(revisionItem(revision, nowMs));
  }

  /** Allocations whose grant waits to be told. */
  grantsWaiting(): ReadonlySet<string> {
    const waiting = new Set<string>();
    for (const item of this.#early) {
      if (item.type === "decision" && item.answer.type === "opened") waiting.add(item.answer.grant.allocationId);
    }
    return waiting;
  }

  /** Sends the welcome, then what runs low by now, unless that was told since hello, and what was told since. */
  welcome(item: Extract<DownItem, { type: "welcome" }>, low: readonly LowBudgetItem[]): void {
    this.#stage = "welcomed";
    this.#welcomeId = item.welcome.welcomeId;
    const early = this.#early.splice(0);
    const told = early.filter(({ type }) => type === "ack");
    this.link.send([item, ...low.filter((one) => !told.some((other) => tellsTheSame(one, other))), ...early]);
  }

  /**
   * Takes note of what comes before it may be taken: the answer to the welcome, and what must wait for that. False when it is too much.
   */
  hold(item: UpWork): boolean {
    if (item.type === "mark" && this.#stage === "welcomed" && item.welcomeId === this.#welcomeId) {
      this.#stage = "answered";
      this.#answer.resolve();
    }
    if (this.#held.length >= LIMITS.streamBacklogItemsMax) return false;
    this.#held.push(item);
    return true;
  }

  /** All is taken from now on; answers what came before. */
  open(): readonly UpWork[] {
    this.#stage = "open";
    const held = this.#held;
    this.#held = [];
    return held;
  }

  /** Notes the child's clock as it says it. A mark of another connection may be of another life, whose clock means nothing here. */
  note(childMs: number | undefined, atMs: number): void {
    if (childMs !== undefined && childMs > (this.#mark?.childMs ?? -1)) this.#mark = { childMs, atMs };
  }

  noteMark({ clockMarkMs, welcomeId }: Extract<UpItem, { type: "mark" }>, atMs: number): void {
    if (welcomeId === this.#welcomeId) this.note(clockMarkMs, atMs);
  }

  /**
   * The child's clock at the latest at the engine time `atMs` of this daemon: a mark was made before it came. Undefined when the child did
   * not say, or had not started then.
   */
  clockAt(atMs: number): number | undefined {
    if (this.#mark === undefined) return undefined;
    const childMs = this.#mark.childMs + (atMs - this.#mark.atMs);
    return childMs < 0 ? undefined : Math.min(childMs, LIMITS.amountMax);
  }
}

function revisionItem(revision: GrantRevision, nowMs: number): DownItem {
  const { allocationId, epoch, grantedTotal, deadlineAtMs, pausesOver, inherited } = revision;
  const more = { ...(pausesOver && { pausesOver }), ...(inherited && { inherited }) };
  const item = { type: "revision", allocationId, epoch, grantedTotal, ...more } as const;
  return deadlineAtMs === undefined ? item : { ...item, deadlineLeftMs: Math.max(0, deadlineAtMs - nowMs) };
}
