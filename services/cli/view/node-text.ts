/** What is said about one node of the tree, wherever it is shown. */
import { count, countOf } from "./amounts.ts";
import { plainLine } from "./plain-text.ts";
import type { ReportNode, ReportTranches, ReportWaiter } from "./report.ts";
import type { Style } from "./style.ts";

const MARKS: Readonly<Record<string, string>> = { succeeded: "✔", failed: "✖", stopped: "■", skipped: "○" };

/** Kinds that do something, as opposed to those that pay for it. */
const WORK = new Set(["run", "branch", "step"]);

/** The mark of an outcome: ✔ succeeded, ✖ failed, ■ stopped, ○ skipped. */
export function outcomeMark(outcome: string): string {
  return MARKS[outcome] ?? "·";
}

/** "✔ succeeded", "open", "closing": how it ended, else where it is in its life. */
export function stateText({ outcome, state, kind, in_doubt: inDoubt }: ReportNode): string {
  if (inDoubt) return "? in doubt";
  if (outcome !== "") return `${outcomeMark(outcome)} ${outcome}`;
  return state === "open" && WORK.has(kind) ? "▶ running" : state;
}

export function outcomePaint(outcome: string, style: Style): (text: string) => string {
  if (outcome === "succeeded") return style.good;
  if (outcome === "failed") return style.red;
  return outcome === "stopped" ? style.warn : (text) => text;
}

/** "holds browser alone, db": the names that it holds. */
function accessText(access: ReportNode["access"]): string {
  const names = [...(access?.exclusive ?? []).map((name) => `${name} alone`), ...(access?.shared ?? [])];
  return names.length === 0 ? "" : `holds ${plainLine(names.join(", "))}`;
}

/** "keeps bonus 30, emergency 20": of the parts carved inside credits those of which there is something. */
function tranchesText(verb: string, tranches: ReportTranches | undefined): string {
  if (!tranches) return "";
  const { priority_bonus: bonus, emergency_reserve: emergency, wrap_up_reserve: wrapUp } = tranches;
  const parts = [
    bonus > 0 ? `bonus ${count(bonus)}` : "",
    emergency > 0 ? `emergency ${count(emergency)}` : "",
    wrapUp > 0 ? `wrap-up ${count(wrapUp)}` : "",
  ].filter((part) => part !== "");
  return parts.length === 0 ? "" : `${verb} ${parts.join(", ")}`;
}

/** How many wait for room in it, and who tells more. */
function waitingText({ waiting = 0, path }: Pick<ReportNode, "waiting" | "path">): string {
  if (waiting === 0) return "";
  return `${waiting === 1 ? "1 request waits" : `${count(waiting)} requests wait`} for room: bursar why ${plainLine(path)}`;
}

/** "waits, 3 of 7": its place among those who wait there. */
export function placeText({ position }: ReportWaiter, { waiting = 0 }: Pick<ReportNode, "waiting">): string {
  return `waits, ${count(position)} of ${count(Math.max(waiting, position))}`;
}

/** Of an open node for which more is wanted: "waits, 3 of 7, for 200 credits more: …". */
export function wantsMoreText(waiter: ReportWaiter, parent: Pick<ReportNode, "waiting">): string {
  const what = waiter.request_id === "" ? "to go on with" : "for";
  const more = waiter.request_id === "" ? "" : " more";
  return `${placeText(waiter, parent)}, ${what} ${countOf(waiter.credits, "credit")}${more}: ${plainLine(waiter.place)}`;
}

/** Why it ended other than well, and what its books have that they should not keep; empty when there is nothing to say. */
export function noteOf({ reason, outcome, books, usage, ...node }: ReportNode): string {
  const notes = [
    outcome === "succeeded" ? "" : plainLine(reason),
    node.in_doubt ? `its daemon ${plainLine(node.holder)} is silent, ${count(books.available)} of it may be spent` : "",
    node.state === "open" && node.low_budget_percent > 0 ? `! ${node.low_budget_percent}% of a limit used` : "",
    waitingText(node),
    node.state === "closed" ? "" : accessText(node.access),
    node.state === "closed" ? "" : tranchesText("keeps", node.reserves_left),
    node.state === "closed" ? "" : tranchesText("drew", node.make_up),
    node.written_off > 0 ? `${count(node.written_off)} written off` : "",
    books.in_doubt > 0 ? `${count(books.in_doubt)} in doubt` : "",
    books.unconfirmed > 0 ? `${count(books.unconfirmed)} unconfirmed` : "",
    books.debt > 0 ? `${count(books.debt)} owed` : "",
    usage.overrun_credits > 0 ? `${count(usage.overrun_credits)} overrun` : "",
  ];
  return notes.filter((note) => note !== "").join("; ");
}
