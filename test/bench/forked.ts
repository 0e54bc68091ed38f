/** A process of a baseline: started from a module beside this one, which tells its port and ends when it is let go. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export interface ForkedServer {
  readonly port: number;
  /** Lets the process go and resolves when it has ended. */
  stop(): Promise<void>;
}

export async function forkServer(module: string, args: readonly string[]): Promise<ForkedServer> {
  const child = fork(fileURLToPath(new URL(module, import.meta.url)), [...args]);
  const exited = once(child, "exit");
  const [told] = (await Promise.race([once(child, "message"), exited])) as [{ readonly port?: number } | number | null];
  if (told === null || typeof told !== "object" || told.port === undefined) {
    throw new Error(`${module} ended before it listened; its stderr says why`);
  }
  return {
    port: told.port,
    stop: async () => {
      child.disconnect();
      await exited;
    },
  };
}
