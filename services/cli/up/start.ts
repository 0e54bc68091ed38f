/** `bursar start`, which is what `npm start` runs: a mesh, the example swarm on it, and its report. */
import { relative } from "node:path";
import { readSwarmDocument, type SwarmSpec } from "#codec";
import { readDocumentFile } from "../documents.ts";
import { EXIT } from "../exit-code.ts";
import { DaemonStartError, MeshKeeper, MeshRunsError, NO_ADDRESS } from "../mesh/mesh-keeper.ts";
import { PORT_BASE } from "../mesh/mesh-plan.ts";
import { withMesh } from "../mesh-client.ts";
import { checkReportFile, outputReport } from "../run/report-output.ts";
import { runSwarm } from "../run/run-swarm.ts";
import type { Session } from "../session.ts";
import type { Report, ReportNode } from "../view/report.ts";
import { styleFor } from "../view/style.ts";
import { HOME, SHIPPED } from "./shipped.ts";
import { untilEnded, upLines } from "./up.ts";
import type { StartOptions } from "./up-options.ts";

export async function start(options: StartOptions, session: Session): Promise<number> {
  const { terminal, interrupts } = session;
  checkReportFile(options.report);
  const spec = await readDocumentFile(SHIPPED.swarm, readSwarmDocument);
  const own = await ownMesh(options, session);
  if (own === undefined) return demonstrate(spec, options, session);
  try {
    terminal.note(upLines(own, session).join("\n"));
    const exitCode = await Promise.race([demonstrate(spec, options, session), own.givenUp]);
    if (typeof exitCode !== "number") throw exitCode;
    if (options.once || !terminal.stdout.isTerminal || interrupts.first.aborted) return exitCode;
    terminal.note(whereToLook(session, options).join("\n"));
    await untilEnded(own, session);
    return exitCode;
  } finally {
    await own.stop();
  }
}

/** A mesh started here; undefined when one runs from this state folder already. */
async function ownMesh(options: StartOptions, session: Session): Promise<MeshKeeper | undefined> {
  const { state, verbose } = options;
  const { terminal } = session;
  const { accounts, prices } = SHIPPED;
  const begin = (portBase: number): Promise<MeshKeeper> =>
    MeshKeeper.start({ session, state, verbose, portBase, accounts, prices, cwd: HOME });
  try {
    return await begin(options.portBase ?? PORT_BASE);
  } catch (error) {
    if (error instanceof MeshRunsError) {
      terminal.note(`using the mesh that runs from ${state} already`);
      return undefined;
    }
    const portTaken = error instanceof DaemonStartError && error.exit.code === NO_ADDRESS;
    if (!portTaken || options.portBase !== undefined) throw error;
    terminal.note("the usual ports are taken by somebody else: taking free ones");
    return begin(0);
  }
}

/** Runs the example on the mesh of the state folder. */
function demonstrate(spec: SwarmSpec, options: StartOptions, session: Session): Promise<number> {
  const { terminal, interrupts } = session;
  const { json } = options;
  return withMesh(session, options, async (mesh) => {
    terminal.note(`running ${shown(SHIPPED.swarm)}; one of its branches will run away, and its budget will stop it\n`);
    const { report, failure } = await runSwarm({ mesh, session, spec, json, keep: false });
    terminal.note("");
    outputReport(report, terminal, options);
    if (failure !== undefined) throw failure;
    if (interrupts.first.aborted) return EXIT.interrupted;
    if (showsWhatItShould(report)) return EXIT.ok;
    const { red } = styleFor(terminal.stderr);
    terminal.note(red("this is not how the example should end: the runaway alone should have been stopped"));
    return EXIT.failed;
  });
}

/** The runaway was stopped by its budget, everything else did its work, and the books balance. */
export function showsWhatItShould({ outcome, balanced, tree }: Report): boolean {
  const steps = [...stepsOf(tree)];
  const stopped = steps.filter((step) => step.outcome === "stopped");
  const rest = steps.filter((step) => step.outcome !== "stopped");
  return (
    outcome === "succeeded" && balanced && stopped.length > 0 && rest.every((step) => step.outcome === "succeeded")
  );
}

/** The steps that do work themselves. */
function* stepsOf(node: ReportNode): Generator<ReportNode> {
  if (node.kind === "step" && node.children.length === 0) yield node;
  for (const child of node.children) yield* stepsOf(child);
}

/** A path as one would type it here. */
function shown(path: string): string {
  const near = relative(process.cwd(), path);
  return near.startsWith("..") ? path : near;
}

function whereToLook({ calledAs, terminal }: Session, { state }: StartOptions): string[] {
  const { strong, quiet } = styleFor(terminal.stderr);
  return [
    "",
    "The mesh stays up. In another window, in this folder:",
    `  ${strong(`${calledAs} tree --watch`)}`,
    `  ${strong(`${calledAs} run examples/research-swarm.yaml`)}`,
    `  ${strong(`${calledAs} get global/research/demo`)}`,
    quiet(
      `What the daemons say is in ${state}/logs, what they decided in ${state}/*.sqlite. Ctrl-C here ends the mesh.`,
    ),
  ];
}
