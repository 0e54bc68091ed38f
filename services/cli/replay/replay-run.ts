/** One replay in a swarm that is open: gathers the workers' tokens, attaches to each, plays the log, and follows the run to its end. */
import { type MeterNotice, MeterService } from "#gen/bursar/v1/meter_service_pb.js";
import type { Routine } from "#gen/bursar/v1/routine_pb.js";
import type { WorkerReady } from "#gen/bursar/v1/run_pb.js";
import { LIMITS } from "#std";
import { CommandError } from "../command-error.ts";
import { EXIT } from "../exit-code.ts";
import { failureText } from "../failure-lines.ts";
import type { EventTaker } from "../run/progress.ts";
import type { RunRecord } from "../run/run-record.ts";
import type { SwarmClient } from "../run/swarm-client.ts";
import type { Session } from "../session.ts";
import { count } from "../view/amounts.ts";
import { plainLine } from "../view/plain-text.ts";
import { Playback, type PlaybackResult } from "./playback.ts";
import type { ReplayParts } from "./replay-options.ts";
import { type TraceSummary, traceCalls } from "./trace-file.ts";
import { WorkerLinks } from "./worker-links.ts";

export interface PlayThroughOptions extends ReplayParts {
  readonly client: SwarmClient;
  readonly routine: Routine;
  readonly tell: EventTaker;
}

export interface ReplayEnd {
  readonly result: PlaybackResult;
  /** succeeded, stopped or failed. */
  readonly outcome: string;
  /** What broke it off; undefined when the log or the budget ended it. */
  readonly failure: unknown;
  /** The mesh, or a part of it, was lost: what stands there now is unknown. */
  readonly lost: boolean;
}

/** Throws when not a single call could be played; the swarm is stopped then. */
export async function playThrough(options: PlayThroughOptions): Promise<ReplayEnd> {
  const { session, client, routine } = options;
  const leave = new AbortController();
  const workers = new Workers(options);
  let players: Players | undefined;
  const run = client.run(routine, {
    onEvent: workers.onEvent,
    onInterrupt: () => {
      session.terminal.note("settling what is in flight … (once more: leave at once)");
      if (players === undefined) void client.stop("stopped by its caller");
      else players.playback.stop();
    },
    leave: leave.signal,
  });
  run.then(workers.onRunOver, workers.onRunLost);
  try {
    players = startPlayers(options, { ready: await workers.ready, leave });
    const { links, playback } = players;
    workers.links = links;
    await links.attach();
    await playback.play(traceCalls(options.options.trace));
    if (!playback.lost) await playback.complete();
    const ended = await endOf(run);
    return conclusion(playback, ended, session);
  } catch (error) {
    // Whatever cannot be read, attached or written: nothing may be left running for it.
    await client.stop("stopped by its caller");
    leave.abort();
    throw error;
  } finally {
    players?.links.close();
  }
}

/** Collects the calls for the workers from the run's events; each again whenever an execution daemon has started again. */
class Workers {
  readonly ready: Promise<readonly WorkerReady[]>;
  readonly onRunLost: (failure: unknown) => void;
  /** Once they are attached: who is told of further calls, and of the end of the run. */
  links: WorkerLinks | undefined;
  readonly #resolve: (ready: readonly WorkerReady[]) => void;
  readonly #found = new Map<string, WorkerReady>();
  readonly #options: PlayThroughOptions;

  constructor(options: PlayThroughOptions) {
    this.#options = options;
    const { promise, resolve, reject } = Promise.withResolvers<readonly WorkerReady[]>();
    [this.ready, this.#resolve, this.onRunLost] = [promise, resolve, reject];
  }

  readonly onEvent: EventTaker = (event, record) => {
    const { options, tell } = this.#options;
    const { case: what, value } = event.event;
    // A person is not helped by two lines for each of many branches; a program gets them all.
    if (options.json || what === "started" || what === "queued" || what === "finished") tell(event, record);
    if (what !== "workerReady") return;
    this.#found.set(value.allocationId, value);
    if (this.#found.size === options.branches) this.#resolve([...this.#found.values()]);
    this.links?.called(value);
  };

  readonly onRunOver = ({ outcome, finished, ends }: RunRecord): void => {
    const reason = [...ends.values()].find((end) => end.reason !== "")?.reason;
    const why = plainLine(finished?.error?.message ?? reason ?? outcome);
    const early = `the run ended before all of its branches were ready: ${why}`;
    this.onRunLost(new CommandError(early, { exitCode: EXIT.failed }));
    this.links?.runOver(new CommandError(`the run ended before the log did: ${why}`, { exitCode: EXIT.failed }));
  };
}

interface Players {
  readonly playback: Playback;
  readonly links: WorkerLinks;
}

interface Start {
  readonly ready: readonly WorkerReady[];
  /** Leaves the run when its workers are lost for good. */
  readonly leave: AbortController;
}

function startPlayers(options: PlayThroughOptions, { ready, leave }: Start): Players {
  const { mesh, session, price, log } = options;
  const { clock, ids, interrupts } = session;
  const { model, speed } = options.options;
  const onNotice = closingTeller(session, () => playback.completing);
  const links = new WorkerLinks(ready, {
    meterAt: (address) => mesh.connectTo(address).client(MeterService),
    clock,
    ids,
    hurry: interrupts.first,
    signal: interrupts.second,
    onAnswered: () => log.flush(),
    onNotice,
    ...waitingTeller(session),
    onRunOver: (why) => playback.runOver(why),
    onLost: (failure) => {
      playback.lose(failure);
      leave.abort();
    },
  });
  const pace = speed === "max" ? undefined : speed;
  const onSettled = progressTeller(options);
  const playback = new Playback({ branches: links.links, model, price, speed: pace, clock, log, onSettled });
  return { playback, links };
}

/** All branches of one run close for the same reason; it is worth one line, unless they should. */
function closingTeller({ terminal }: Session, isCompleting: () => boolean) {
  const told = new Set<string>();
  return ({ notice }: MeterNotice): void => {
    if (notice.case !== "closing" || isCompleting()) return;
    const text = `execution takes no new calls: ${plainLine(notice.value.reason)}`;
    if (!told.has(text)) terminal.note(text);
    told.add(text);
  };
}

function waitingTeller({ terminal }: Session) {
  return {
    onWaiting: (address: string, why: unknown): void => {
      const most = `${LIMITS.replayPatienceMs / 1_000} s at most`;
      terminal.note(`waiting for the execution daemon at ${address}, ${most}: ${failureText(why)}`);
    },
    onBack: (): void => terminal.note("the workers are attached again"),
  };
}

function progressTeller({ session, survey }: { readonly session: Session; readonly survey: TraceSummary }) {
  const { terminal, clock } = session;
  const everyMs = terminal.stderr.isTerminal ? LIMITS.statusIntervalMs : LIMITS.statusNoteIntervalMs;
  let toldAtMs = clock.monotonicMs();
  return ({ settled, settledCredits }: PlaybackResult): void => {
    const nowMs = clock.monotonicMs();
    if (nowMs - toldAtMs < everyMs) return;
    toldAtMs = nowMs;
    const text = `${count(settled)} of ${count(survey.calls)} calls, ${count(settledCredits)} credits`;
    if (terminal.stderr.isTerminal) terminal.status(text);
    else terminal.note(text);
  };
}

type RunEnd = { readonly record: RunRecord } | { readonly failure: unknown };

function endOf(run: Promise<RunRecord>): Promise<RunEnd> {
  return run.then(
    (record) => ({ record }),
    (failure: unknown) => ({ failure }),
  );
}

function conclusion(playback: Playback, ended: RunEnd, { interrupts }: Session): ReplayEnd {
  const { result, lost } = playback;
  const failure = playback.failure ?? ("failure" in ended ? ended.failure : undefined);
  const away = lost || "failure" in ended;
  if (failure !== undefined) return { result, outcome: "failed", failure, lost: away };
  const cutShort = result.stopped_at_line !== null || interrupts.first.aborted;
  const outcome = cutShort ? "stopped" : "record" in ended ? ended.record.outcome : "failed";
  return { result, outcome, failure, lost: away };
}
