/** One replay in a swarm that is open: gathers the workers' tokens, attaches to each, plays the log, and follows the run to its end. */
import { type MeterNotice, MeterService } from "#gen/bursar/v1/meter_service_pb.js";
import type { Routine } from "#gen/bursar/v1/routine_pb.js";
import type { WorkerReady } from "#gen/bursar/v1/run_pb.js";
import { fromStatusMessage } from "#rpc";
import { LIMITS } from "#std";
import { CommandError } from "../command-error.ts";
import { EXIT } from "../exit-code.ts";
import type { EventTaker } from "../run/progress.ts";
import type { RunRecord } from "../run/run-record.ts";
import type { SwarmClient } from "../run/swarm-client.ts";
import type { Session } from "../session.ts";
import { count } from "../view/amounts.ts";
import { plainLine } from "../view/plain-text.ts";
import { MeterSession } from "./meter-session.ts";
import { Playback, type PlaybackBranch, type PlaybackResult } from "./playback.ts";
import type { ReplayParts } from "./replay-options.ts";
import { type TraceSummary, traceCalls } from "./trace-file.ts";

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
  let playback: Playback | undefined;
  const run = client.run(routine, {
    onEvent: workers.onEvent,
    onInterrupt: () => {
      session.terminal.note("settling what is in flight … (once more: leave at once)");
      if (playback === undefined) void client.stop("stopped by its caller");
      else playback.stop();
    },
    leave: leave.signal,
  });
  run.then(workers.onRunOver, workers.onRunLost);
  const sessions: MeterSession[] = [];
  try {
    playback = await startPlayback(options, { ready: await workers.ready, sessions });
    await playback.play(traceCalls(options.options.trace));
    if (!playback.lost) await playback.complete();
    if (playback.lost) leave.abort();
    const ended = await endOf(run);
    return conclusion(playback, ended, session);
  } catch (error) {
    // Whatever cannot be read, attached or written: nothing may be left running for it.
    await client.stop("stopped by its caller");
    leave.abort();
    throw error;
  } finally {
    for (const opened of sessions) opened.close();
  }
}

/** Collects the tokens of the workers from the run's events. */
class Workers {
  readonly ready: Promise<readonly WorkerReady[]>;
  readonly onRunLost: (failure: unknown) => void;
  readonly #resolve: (ready: readonly WorkerReady[]) => void;
  readonly #found: WorkerReady[] = [];
  readonly #options: PlayThroughOptions;

  constructor(options: PlayThroughOptions) {
    this.#options = options;
    const { promise, resolve, reject } = Promise.withResolvers<readonly WorkerReady[]>();
    [this.ready, this.#resolve, this.onRunLost] = [promise, resolve, reject];
  }

  readonly onEvent: EventTaker = (event, record) => {
    const { options, tell } = this.#options;
    const { case: what } = event.event;
    // A person is not helped by two lines for each of many branches; a program gets them all.
    if (options.json || what === "started" || what === "queued" || what === "finished") tell(event, record);
    if (what === "workerReady") this.#found.push(event.event.value as WorkerReady);
    if (this.#found.length === options.branches) this.#resolve(this.#found);
  };

  readonly onRunOver = ({ outcome, finished, ends }: RunRecord): void => {
    const why = finished?.error?.message ?? [...ends.values()].find(({ reason }) => reason !== "")?.reason ?? outcome;
    const message = `the run ended before all of its branches were ready: ${plainLine(why)}`;
    this.onRunLost(new CommandError(message, { exitCode: EXIT.failed }));
  };
}

interface Start {
  readonly ready: readonly WorkerReady[];
  /** Filled with what is opened, so that it is closed whatever happens. */
  readonly sessions: MeterSession[];
}

/** Opens one stream per execution daemon and attaches to every branch. */
async function startPlayback(options: PlayThroughOptions, { ready, sessions }: Start): Promise<Playback> {
  const { mesh, session, price, log } = options;
  const { clock, interrupts, terminal } = session;
  const { model, speed } = options.options;
  let playback: Playback | undefined;
  const lost = Promise.withResolvers<never>();
  const told = new Set<string>();
  const onNotice = ({ notice }: MeterNotice): void => {
    if (notice.case !== "closing" || playback?.completing !== false) return;
    // All branches of one run close for the same reason; it is worth one line.
    const text = `execution takes no new calls: ${plainLine(notice.value.reason)}`;
    if (!told.has(text)) terminal.note(text);
    told.add(text);
  };
  const onLost = (failure: Error): void => {
    if (playback === undefined) lost.reject(failure);
    else playback.lose(failure);
  };
  const byAddress = new Map<string, MeterSession>();
  const sessionAt = (address: string): MeterSession => {
    const known = byAddress.get(address);
    if (known !== undefined) return known;
    const meter = mesh.connectTo(address).client(MeterService);
    const onAnswered = (): void => log.flush();
    const opened = new MeterSession({ meter, clock, signal: interrupts.second, onAnswered, onNotice, onLost });
    byAddress.set(address, opened);
    sessions.push(opened);
    return opened;
  };
  const branches = ready.map(({ allocationId, token, address }) => {
    return { allocationId, token, session: sessionAt(address) };
  });
  await Promise.race([Promise.all(branches.map(attach)), lost.promise]);
  const pace = speed === "max" ? undefined : speed;
  playback = new Playback({ branches, model, price, speed: pace, clock, log, onSettled: progressTeller(options) });
  return playback;
}

function attach({ allocationId, token, session }: PlaybackBranch): Promise<void> {
  return new Promise((resolve, reject) => {
    session.send({ case: "attach", value: { allocationId, token } }, ({ result }) => {
      if (result.case === "error") reject(fromStatusMessage(result.value));
      else resolve();
    });
  });
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
