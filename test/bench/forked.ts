/**
 * A process of a bench beside its main one: started from a module in this folder, which tells something when it is ready, answers what it
 * is asked, and ends when it is let go.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** What daemons tell V8 about young objects (shared/daemon/keep-young.ts); the bench's own clients do, too. */
export const V8_SETTING = "--no-allocation-site-pretenuring";

/**
 * For a process that measures the times of others and should not add its own pauses to them: what it lets go of is collected often, and
 * each time in a fraction of a millisecond.
 */
export const SHORT_PAUSES = [V8_SETTING, "--max-semi-space-size=1"];

export interface ForkOptions {
  readonly args?: readonly string[];
  /** What Node itself is told. Default: nothing; bare things run on Node as it comes. */
  readonly nodeArguments?: readonly string[];
}

export interface Forked<Told, Asked = never, Answer = never> {
  /** What it told when it was ready. */
  readonly told: Told;
  /** Asks it one thing at a time. Rejects when it ends before it has answered. */
  ask(asked: Asked): Promise<Answer>;
  /** Lets the process go and resolves when it has ended. */
  stop(): Promise<void>;
}

/** Starts a module and resolves when it has told that it is ready. */
export async function forkProcess<Told, Asked = never, Answer = never>(
  module: string,
  { args = [], nodeArguments = [] }: ForkOptions = {},
): Promise<Forked<Told, Asked, Answer>> {
  const path = fileURLToPath(new URL(module, import.meta.url));
  const child = fork(path, [...args], { execArgv: [...nodeArguments] });
  const exited = once(child, "exit");
  const told = await nextMessage<Told>(child, module);
  return {
    told,
    ask: async (asked) => {
      const answer = nextMessage<Answer>(child, module);
      child.send(asked as object);
      return answer;
    },
    stop: async () => {
      child.disconnect();
      await exited;
    },
  };
}

/** The next thing that it says. */
async function nextMessage<T>(child: ChildProcess, module: string): Promise<T> {
  const over = new AbortController();
  const ended = once(child, "exit", { signal: over.signal }).then(([code]) => {
    throw new Error(`${module} ended with ${code} before it said what it should; its stderr says why`);
  });
  try {
    const [message] = await Promise.race([once(child, "message", { signal: over.signal }), ended]);
    return message as T;
  } finally {
    ended.catch(() => undefined);
    over.abort();
  }
}

/** The other side: tells that this process is ready, then answers what it is asked. `onLeave`: when it is let go. */
export function serveParent<Asked, Answer>(
  told: unknown,
  answerTo: (asked: Asked) => Answer | Promise<Answer>,
  onLeave?: () => void,
): void {
  process.on("message", (asked) => {
    void Promise.resolve(answerTo(asked as Asked)).then((answer) => process.send?.(answer));
  });
  process.once("disconnect", () => onLeave?.());
  process.send?.(told);
}

/** A server in a process of its own, which tells its port. */
export type ForkedServer = Forked<{ readonly port: number }>;

export function forkServer(module: string, args: readonly string[] = []): Promise<ForkedServer> {
  return forkProcess(module, { args });
}
