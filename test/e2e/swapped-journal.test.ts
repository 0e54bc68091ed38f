/** A journal that takes the place of another's: its daemon is another one by that, and nothing that the true one granted is spent under it. */
import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { DEMO_ACCOUNT } from "./client.ts";
import { Agent, MeshForTests } from "./mesh-for-tests.ts";

vi.setConfig({ testTimeout: 120_000 });

const here = new MeshForTests();

/** Of a journal that a kill has left: the file, and its log beside it. */
const PARTS = ["", "-wal"];

function moveJournal(from: string, to: string): void {
  for (const part of PARTS) renameSync(join(here.folder, `${from}.db${part}`), join(here.folder, `${to}.db${part}`));
}

test("coordination with another journal stops what it never granted; with its own again the account comes and the books are exact", async () => {
  const swarm = await here.swarm({ account: DEMO_ACCOUNT, name: "swapped", credits: 100n });
  const run = here.run(swarm, { name: "work", credits: 80n });
  run.ended.catch(() => undefined);
  const agent = await Agent.of(run);
  await agent.spend(30n);

  await here.mesh.coordination.end("SIGKILL");
  moveJournal("coordination", "true");
  await here.restart("coordination");
  // The process daemon hears that nobody knows the run, and ends it; its worker may spend no more.
  await vi.waitFor(async () => {
    const answer = await agent.reserve(81n);
    expect(answer.case === "error" && answer.value.message).toContain("unknown to the tier above");
  }, 30_000);
  const { swarms } = await here.client.coordination.listSwarms({});
  expect(swarms).toEqual([]);

  await here.mesh.coordination.end("SIGKILL");
  for (const part of [...PARTS, "-shm"]) rmSync(join(here.folder, `coordination.db${part}`), { force: true });
  moveJournal("true", "coordination");
  await here.restart("coordination");
  await vi.waitFor(async () => {
    expect(await here.look(swarm)).toMatchObject({
      openChildren: 0,
      credits: { available: 70n, spent: 30n, inDoubt: 0n },
    });
  }, 60_000);
});
