/** What the benches need of coordination: an account with room, a swarm in it, and runs. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { CoordinationService } from "#gen/bursar/v1/coordination_service_pb.js";
import type { RoutineSchema } from "#gen/bursar/v1/routine_pb.js";
import type { RunEvent } from "#gen/bursar/v1/run_pb.js";
import type { Client, Connection } from "#rpc";
import { systemClock, systemIds } from "#tier";

const ACCOUNT = "bench";
const ACCOUNTS = `accounts:\n  - name: ${ACCOUNT}\n    limits: { credits: 1_000_000_000_000_000 }\n`;

/** A folder for one bench's journals and accounts file, gone after `remove` and, if it does not come to that, at the end of the process. */
export interface BenchFolder {
  readonly folder: string;
  readonly accounts: string;
  remove(): void;
}

export function benchFolder(): BenchFolder {
  const folder = mkdtempSync(join(tmpdir(), "bursar-bench-"));
  const accounts = join(folder, "accounts.yaml");
  writeFileSync(accounts, ACCOUNTS);
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  return { folder, accounts, remove };
}

export interface BenchSwarm {
  readonly swarmId: string;
  /** Starts a run; its events come as they happen. */
  run(routine: MessageInitShape<typeof RoutineSchema>): AsyncIterable<RunEvent>;
}

/** Opens a swarm with a thousandth of the account. */
export async function openSwarm(connection: Connection): Promise<BenchSwarm> {
  const client: Client<typeof CoordinationService> = connection.client(CoordinationService);
  const requestId = systemIds.newId();
  const limits = { maxCredits: 1_000_000_000_000n };
  const { swarm } = await client.createSwarm({ requestId, account: ACCOUNT, name: "swarm", limits });
  const swarmId = swarm?.allocationId ?? "";
  return {
    swarmId,
    async *run(routine) {
      for await (const { events } of client.runRoutine({ requestId: systemIds.newId(), swarmId, routine })) {
        yield* events;
      }
    },
  };
}

/** Resolves after this time. */
export function passed(durationMs: number): Promise<void> {
  return new Promise((resolve) => {
    systemClock.after(durationMs, resolve);
  });
}
