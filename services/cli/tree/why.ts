/** `bursar why`: coordination answers and asks the daemons below it. */
import type { DaemonKnowledge, Decision } from "#gen/bursar/v1/watch_service_pb.js";
import { LIMITS } from "#std";
import { CommandError } from "../command-error.ts";
import { EXIT } from "../exit-code.ts";
import { failureText } from "../failure-lines.ts";
import { isUnreachable, type Mesh, withMesh } from "../mesh-client.ts";
import { pause } from "../pause.ts";
import type { CommonOptions, Session } from "../session.ts";
import { canvasFor } from "../view/style.ts";
import { decisionLines, decisionReport, isKnown, lookedAtLines, whyLines, whyReport } from "../view/why-lines.ts";

export interface WhyOptions extends CommonOptions {
  readonly watch: boolean;
}

export function why(wanted: string, options: WhyOptions, session: Session): Promise<number> {
  const { terminal, interrupts } = session;
  return withMesh(session, options, async (mesh) => {
    const { daemons } = await mesh.watch.why({ subject: wanted }, { signal: interrupts.first });
    // What is watched may still be to come.
    if (!daemons.some(isKnown) && !options.watch) throw nothingKnown(wanted, daemons, session);
    const { style } = canvasFor(terminal.stdout);
    if (options.json) {
      const report = whyReport(wanted, daemons);
      terminal.print(options.watch ? JSON.stringify(report) : JSON.stringify(report, null, 2));
    } else terminal.print(whyLines(wanted, daemons, style).join("\n"));
    if (!options.watch) return EXIT.ok;
    await watch(mesh, session, {
      fits: fitsFor(wanted, daemons),
      show: (decision) =>
        terminal.print(
          options.json ? JSON.stringify(decisionReport(decision)) : decisionLines(decision, style).join("\n"),
        ),
    });
    return interrupts.first.aborted ? EXIT.interrupted : EXIT.ok;
  });
}

function nothingKnown(wanted: string, daemons: readonly DaemonKnowledge[], { calledAs }: Session): CommandError {
  return new CommandError(`nothing is known of ${wanted}`, {
    exitCode: EXIT.refused,
    advice: [
      ...lookedAtLines(daemons),
      "it was decided before these daemons were started, or is forgotten by now, or was never asked of this mesh",
      `${calledAs} tree shows everything that is known now`,
    ],
  });
}

/** What is about the subject: the request, or what has its path, or a path below it. */
function fitsFor(wanted: string, daemons: readonly DaemonKnowledge[]): (decision: Decision) => boolean {
  const text = wanted.replace(/^\/+|\/+$/g, "");
  const paths = new Set(daemons.map(({ path }) => path).filter((path) => path !== ""));
  return ({ requestId, allocationId, path }) =>
    requestId === text ||
    allocationId === text ||
    path === text ||
    path.endsWith(`/${text}`) ||
    [...paths].some((top) => path === top || path.startsWith(`${top}/`));
}

interface Watching {
  readonly fits: (decision: Decision) => boolean;
  readonly show: (decision: Decision) => void;
}

/** Until Ctrl-C, over lost streams; throws when coordination stays away longer than LIMITS.clientPatienceMs. */
async function watch({ watch: client }: Mesh, session: Session, { fits, show }: Watching): Promise<void> {
  const { clock, terminal, interrupts } = session;
  const signal = AbortSignal.any([interrupts.first, terminal.readerLeft]);
  let awaySinceMs: number | undefined;
  while (!signal.aborted) {
    try {
      for await (const { decision } of client.watchDecisions({ below: true }, { signal })) {
        awaySinceMs = undefined;
        if (decision && fits(decision)) show(decision);
      }
    } catch (error) {
      if (signal.aborted) return;
      const nowMs = clock.monotonicMs();
      if (!isUnreachable(error) || nowMs - (awaySinceMs ?? nowMs) > LIMITS.clientPatienceMs) throw error;
      if (awaySinceMs === undefined) terminal.note(`waiting for the mesh: ${failureText(error)}`);
      awaySinceMs ??= nowMs;
    }
    await pause(LIMITS.clientRetryMaxMs, { clock, signal });
  }
}
