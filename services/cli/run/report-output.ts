/** Where a report goes: to stdout, and to a file if one was named. */
import { accessSync, constants, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { AllocationView } from "#gen/bursar/v1/allocation_pb.js";
import { badFile } from "../documents.ts";
import type { CommonOptions } from "../session.ts";
import type { Terminal } from "../terminal.ts";
import type { Report, ReportCalls } from "../view/report.ts";
import { reportLines } from "../view/report-lines.ts";
import { canvasFor } from "../view/style.ts";

/** Before any work is done: whether its report will have a place to go to. */
export function checkReportFile(file: string | undefined): void {
  if (file === undefined) return;
  try {
    accessSync(dirname(file), constants.W_OK);
  } catch (cause) {
    throw badFile("write the report to", file, cause);
  }
}

export interface ReportOutput extends Pick<CommonOptions, "json"> {
  readonly report?: string;
}

export function outputReport(report: Report, terminal: Terminal, { json, report: file }: ReportOutput): void {
  const text = JSON.stringify(report, null, 2);
  terminal.print(json ? text : reportLines(report, canvasFor(terminal.stdout)).join("\n"));
  if (file === undefined) return;
  writeReport(file, text);
  terminal.note(`the report is in ${file}`);
}

export interface LostSwarm {
  readonly swarm: AllocationView;
  readonly calls: ReportCalls;
}

/** In place of the report when the mesh cannot be asked any more: what the client itself knows. */
export function outputLostReport(
  { swarm, calls }: LostSwarm,
  terminal: Terminal,
  { json, report: file }: ReportOutput,
): void {
  const { allocationId: id, path, name } = swarm;
  const text = JSON.stringify({ swarm: { id, path, name, state: "unknown" }, outcome: "lost", calls }, null, 2);
  if (json) terminal.print(text);
  if (file !== undefined) writeReport(file, text);
}

function writeReport(file: string, text: string): void {
  try {
    writeFileSync(file, `${text}\n`);
  } catch (cause) {
    throw badFile("write the report to", file, cause);
  }
}
