/** The command `bursar` as a person uses it: a process of its own, against the mesh of a test. */
import { type ChildProcess, spawn } from "node:child_process";
import { fromJsonString } from "@bufbuild/protobuf";
import { type RunEvent, RunEventSchema, type WorkerReady } from "../../shared/gen/bursar/v1/run_pb.js";
import { type Mesh, ROOT } from "./mesh.ts";

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

const running = new Set<ChildProcess>();

/** Kills what a test left running. */
export function killCommands(): void {
  for (const child of running) child.kill("SIGKILL");
}

/** A command that goes on while the test does. */
export class Command {
  out = "";
  err = "";
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  readonly #looks = new Set<() => void>();

  constructor(mesh: Pick<Mesh, "coordination">, ...words: readonly string[]) {
    const args = ["services/cli/main.ts", ...words, "--address", mesh.coordination.address];
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    running.add(child);
    child.stdout.on("data", (chunk: Buffer) => this.#take("out", chunk));
    child.stderr.on("data", (chunk: Buffer) => this.#take("err", chunk));
    this.ended = new Promise((resolve) => {
      child.once("close", (code) => {
        running.delete(child);
        resolve({ code, out: this.out, err: this.err });
      });
    });
  }

  #take(stream: "out" | "err", chunk: Buffer): void {
    this[stream] += chunk.toString();
    for (const look of this.#looks) look();
  }

  /** What `find` finds in all that it has written, as soon as it finds something; rejects when the command ends before. */
  until<T>(find: (written: Pick<Ended, "out" | "err">) => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = find(this);
        if (found === undefined) return;
        this.#looks.delete(look);
        resolve(found);
      };
      this.#looks.add(look);
      void this.ended.then(({ code, out, err }) => {
        look();
        reject(new Error(`it ended with ${code} before:\n${out}\n${err}`));
      });
      look();
    });
  }

  /** Until it has written this to stdout. */
  async says(words: string): Promise<void> {
    await this.until(({ out }) => (out.includes(words) ? true : undefined));
  }

  /** Of `bursar run --json`: what has happened in the run so far. */
  get events(): readonly RunEvent[] {
    const lines = this.err.split("\n").slice(0, -1);
    return lines.filter((line) => line.startsWith("{")).map((line) => fromJsonString(RunEventSchema, line));
  }

  /** Of `bursar run --json`: the first event of this kind. */
  event<C extends NonNullable<RunEvent["event"]["case"]>>(kind: C) {
    type Found = Extract<RunEvent["event"], { readonly case: C }>["value"];
    return this.until(() => this.events.find(({ event }) => event.case === kind)?.event.value as Found | undefined);
  }

  /** Of `bursar run --json`: the worker step that waits for its worker. */
  get workerReady(): Promise<WorkerReady> {
    return this.event("workerReady");
  }

  /** Ctrl-C. */
  interrupt(): void {
    this.#child.kill("SIGINT");
  }
}

/** Runs a command to its end. */
export function bursar(mesh: Pick<Mesh, "coordination">, ...words: readonly string[]): Promise<Ended> {
  return new Command(mesh, ...words).ended;
}
