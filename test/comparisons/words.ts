/** Comparisons in words: our figures beside the published ones, and what differs. */
import { LIMITS } from "#std";
import { DOORMAN, type DoormanResult } from "./doorman.ts";
import type { KueueMeshResult } from "./kueue-mesh.ts";
import type { KueueResult } from "./kueue-result.ts";
import { KUEUE, leastMs } from "./kueue-shape.ts";

const DOORMAN_DIFFERS = `what differs:
  theirs    a simulation in Python (youtube/doorman, simulation/scenario_seven.py), capacity as a fraction, shares by what is wanted, a server
            that takes over knows nothing and learns from its clients, clients and servers refresh every 8 s
  ours      the loops, links, leases and journals of the daemons on a virtual clock, whole units (credits that nobody spends: a capacity that is
            held, see below), shares by weight (max-min), a server that takes over has the journal, clients refresh every 5 s, messages take 5 ms;
            mishaps are of the three kinds with equal chance, so that more servers are lost than there
  counted   what is promised to a server that is lost is handed out: nobody else may have it before it is back
  limits    PROPORTIONAL_SHARING divides what is spent (credits, tool calls); branch slots and memory are had as wished or not at all`;

const KUEUE_DIFFERS = `what differs:
  theirs    Kueue with an API server and etcd on a real clock (kubernetes-sigs/kueue, test/performance/scheduler, baseline): every admission is
            written there; priorities 50, 100, 200; admitted work of a queue gives way to higher priority at once
  ours      one engine on a virtual clock: what a decision costs is not in the time; priorities LOW, NORMAL, HIGH; a cohort is an account with
            120 bytes of memory for its units, a queue a caller; a wait raises a request's place by one level per minute
  rules     usual: work is left alone for its first ${LIMITS.victimProtectMs / 1_000} s; at once: it is stopped from its first moment on, but once a minute at most;
            undamped: again and again, as Kueue does`;

const MESH_DIFFERS = `what differs:
  theirs    Kueue with an API server and etcd; work is only slept through, as here
  ours      a coordination daemon with its journal on disk, each decision synced before it is told; one client that asks over StreamGrants and
            reports over StreamUsage as a process daemon does, and serves PreemptionService
  rules     usual: work is left alone for its first ${LIMITS.victimProtectMs / 1_000} s, so that nothing is asked back; at once: work is asked for what it has free, says
            that it has nothing free, and is stopped in that moment; it begins anew, as work that nobody knows to be another attempt (no field of the
            contract names one), so that no cool-down spares it`;

export function doormanWords(result: DoormanResult): string {
  const { published } = DOORMAN;
  const { root, regions, leaves, onTheWay } = result.idle;
  const rows = [
    ["", "Doorman", "Bursar"],
    ["handed out, average", `${published.handedOutPercent} %`, `${figure(result.handedOutPercent)} %`],
    ["handed out, least", "", `${figure(result.leastPercent)} %`],
    ["held by clients (without doubt)", "", `${figure(result.atClientsPercent)} %`],
    ["over-grants", String(published.overGrants), String(result.overGrants)],
    ["peak", `${published.peakPercent} %`, `${figure(result.peakPercent)} %`],
    ["peak if no lease were waited for", "", `${figure(result.naivePeakPercent)} %`],
    ["back in balance within", seconds(published.backWithinMs), seconds(result.backMsMost)],
    ["mishaps", "59", String(result.mishaps.length)],
  ];
  const idle = `idle on average, of ${DOORMAN.capacity}: ${figure(root)} at the root, ${figure(regions)} at regions, ${figure(leaves)} at leaves, ${figure(onTheWay)} on the way`;
  return `Doorman, scenario seven: one hour, ${DOORMAN.capacity} units\n${table(rows)}\n${idle}\n${DOORMAN_DIFFERS}`;
}

export interface KueueColumn {
  readonly name: string;
  readonly result: KueueResult;
}

export function kueueWords(columns: readonly KueueColumn[], differs = KUEUE_DIFFERS): string {
  const { published } = KUEUE;
  const of = (text: (result: KueueResult) => string) => columns.map(({ result }) => text(result));
  const rows = [
    ["", "Kueue", ...columns.map(({ name }) => name)],
    ["15,000 jobs in", seconds(published.totalMs), ...of(({ totalMs }) => seconds(totalMs))],
    ["units in use", `${published.usagePercent} %`, ...of(({ usagePercent }) => `${figure(usagePercent)} %`)],
    ["… with work begun in vain", "", ...of(({ busyPercent }) => `${figure(busyPercent)} %`)],
    ...KUEUE.classes.map(({ name }) => [
      `wait of ${name} jobs, average`,
      seconds(published.waitMs[name]),
      ...of(({ classes }) => seconds(classes.find((one) => one.name === name)?.firstWaitMs.average ?? 0)),
    ]),
    ...KUEUE.classes.map(({ name }) => [
      `wait of ${name} jobs, most`,
      "",
      ...of(({ classes }) => seconds(classes.find((one) => one.name === name)?.firstWaitMs.most ?? 0)),
    ]),
    ["preemptions", "", ...of(({ classes }) => String(classes.reduce((sum, one) => sum + one.preemptions, 0)))],
  ];
  return `Kueue, baseline: the work alone needs ${seconds(leastMs())}\n${table(rows)}\n${differs}`;
}

export function meshWords(name: string, result: KueueMeshResult): string {
  const { shrink, stop } = result.asked;
  return `${kueueWords([{ name, result }], MESH_DIFFERS)}\nasked back over PreemptionService: ${shrink} times what is free, ${stop} times by a stop`;
}

function seconds(ms: number): string {
  return `${figure(ms / 1_000)} s`;
}

function figure(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: value < 10 ? 2 : 1 });
}

function table(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(...rows.map(({ length }) => length));
  const widths = Array.from({ length: columns }, (_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join("  ");
  return rows.map((row) => line(row).trimEnd()).join("\n");
}
