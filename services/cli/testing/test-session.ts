/** A session for tests, with a terminal that keeps what is written and a Ctrl-C of one's own. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { NO_TELEMETRY } from "#telemetry";
import { systemClock, systemIds } from "#tier";
import { runProgram } from "../program.ts";
import type { Session } from "../session.ts";
import { type MemoryTerminal, memoryTerminal } from "./memory-terminal.ts";

export interface TestSession extends Session {
  readonly terminal: MemoryTerminal;
  /** Presses Ctrl-C. */
  readonly interrupt: () => void;
}

export function testSession(options: { readonly isTerminal?: boolean } = {}): TestSession {
  const [first, second] = [new AbortController(), new AbortController()];
  return {
    terminal: memoryTerminal(options),
    clock: systemClock,
    ids: systemIds,
    telemetry: NO_TELEMETRY,
    interrupts: { first: first.signal, second: second.signal },
    interrupt: () => (first.signal.aborted ? second : first).abort(),
    calledAs: "bursar",
  };
}

/** A folder that goes with the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "bursar-cli-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs a command line to its end. */
export async function bursar(
  ...argv: readonly string[]
): Promise<{ readonly exitCode: number; readonly out: string; readonly err: string }> {
  const session = testSession();
  const exitCode = await runProgram(argv, session);
  return { exitCode, out: session.terminal.out(), err: session.terminal.err() };
}
