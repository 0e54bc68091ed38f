/** Budget reserved for later, through the API, the daemons and the command line client. */
import { randomUUID } from "node:crypto";
import { expect, test, vi } from "vitest";
import type { RefusalError } from "#errors";
import { DEMO_ACCOUNT, runRoutine } from "./client.ts";
import { MeshForTests } from "./mesh-for-tests.ts";

const QUEUE_AND_WAIT = 5;
const AHEAD = 1;
const READY = 2;
const USED_UP = 3;
const CANCELLED = 5;

const here = new MeshForTests();

async function swarmOf(maxCredits: bigint): Promise<{ readonly path: string; readonly swarmId: string }> {
  const name = `reserving-${randomUUID().slice(0, 8)}`;
  const policy = { strategy: QUEUE_AND_WAIT };
  const order = { requestId: randomUUID(), account: DEMO_ACCOUNT, name, limits: { maxCredits }, policy };
  const { swarm } = await here.client.coordination.createSwarm(order);
  return { path: swarm?.path ?? "", swarmId: swarm?.allocationId ?? "" };
}

/** Ends at once. */
function routineOf(maxCredits: bigint) {
  const work = { case: "code", value: { command: [process.execPath, "-e", ""] } };
  return { name: `work-${randomUUID().slice(0, 8)}`, limits: { maxCredits }, steps: [{ name: "step", work }] };
}

function run(swarmId: string, credits: bigint, more: object = {}) {
  const order = { requestId: randomUUID(), swarmId, routine: routineOf(credits) as never, ...more };
  return runRoutine(here.client, order);
}

const reserve = (allocation: string, more: object) =>
  here.client.coordination.createReservation({
    requestId: randomUUID(),
    allocation,
    name: "ahead",
    lastsMs: 60_000n,
    ...more,
  });

async function bursar(...words: readonly string[]): Promise<string> {
  const { code, out, err } = await here.bursar(...words);
  expect(code, err).toBe(0);
  return out;
}

test("a run waits for its reservation, is met out of it, and others leave it alone", async () => {
  const { path, swarmId } = await swarmOf(100n);
  const { reservation } = await reserve(path, { amounts: { credits: 70n }, startsInMs: 1_500n });
  expect(reservation).toMatchObject({ path, state: AHEAD, left: { credits: 70n }, missing: { credits: 0n } });
  const id = reservation?.reservationId ?? "";

  const refused = await run(swarmId, 31n).ended.catch((error: unknown) => error);
  expect((refused as Error).message).toContain(`70 are reserved as ahead (${id}) from in `);
  const early = await run(swarmId, 70n, { reservationId: id }).ended.catch((error: unknown) => error);
  expect((early as Error).message).toContain(`its reservation ahead (${id}) begins in `);

  const waiting = run(swarmId, 70n, { reservationId: id, waitMs: 30_000 });
  await vi.waitFor(() => expect(waiting.events[0]?.event.case).toBe("queued"));
  await waiting.ended;
  expect(waiting.events.map(({ event }) => event.case).slice(0, 2)).toEqual(["queued", "started"]);
  const { reservations } = await here.client.coordination.listReservations({ allocation: path });
  expect(reservations).toMatchObject([{ reservationId: id, state: USED_UP, left: { credits: 0n } }]);
});

test("what is not to be had is refused by name, and nothing changes", async () => {
  const { path } = await swarmOf(100n);
  const none = await reserve(path, { amounts: { credits: 101n } }).catch((error: unknown) => error);
  expect((none as Error).message).toContain("INSUFFICIENT_CREDITS");
  const cycle = await reserve(path, {
    amounts: { credits: 1n },
    reservationId: "itself",
    afterReservationId: "itself",
  }).catch((error: unknown) => error);
  expect((cycle as RefusalError).refusal).toMatchObject({
    reason: "INVALID_ARGUMENT",
    fieldViolations: [{ field: "after_reservation_id", description: expect.stringContaining("a cycle") }],
  });
  const wrong = await reserve(path, { amounts: {}, lastsMs: 0n }).catch((error: unknown) => error);
  expect((wrong as RefusalError).refusal.fieldViolations?.map(({ field }) => field)).toEqual(["amounts", "lasts_ms"]);
  expect((await here.client.coordination.listReservations({ allocation: path })).reservations).toEqual([]);
});

test("one request has one effect; what one does not use is there for the next", async () => {
  const { path, swarmId } = await swarmOf(100n);
  const request = { amounts: { credits: 60n }, requestId: randomUUID() };
  const [first, second] = [await reserve(path, request), await reserve(path, request)];
  expect(second.reservation?.reservationId).toBe(first.reservation?.reservationId);
  const id = first.reservation?.reservationId ?? "";
  expect(first.reservation?.state).toBe(READY);
  const used = run(swarmId, 25n, { reservationId: id });
  await used.ended;
  const left = (await here.client.coordination.listReservations({ allocation: path })).reservations;
  expect(left).toMatchObject([{ reservationId: id, state: READY, left: { credits: 35n } }]);
});

test("the command line reserves, lists, uses and takes back", async () => {
  const { path } = await swarmOf(100n);
  const made = JSON.parse(await bursar("reserve", path, "--credits", "40", "--in", "1h", "--for", "30m", "--json"));
  expect(made).toMatchObject([{ path, state: "ahead", left: { credits: 40 }, missing: { credits: 0 } }]);
  expect(await bursar("reservations", path)).toMatch(/ahead\s+40 credits\s+in 59 min \d+ s, for 30 min/);
  expect(await bursar("why", path)).toContain(`reserved as reserved (${made[0].id})`);
  expect(await bursar("why", made[0].id)).toContain(`${path}: reserved as reserved (${made[0].id}) for NORMAL`);
  expect(await bursar("unreserve", made[0].id)).toContain("cancelled");
  const { reservation } = await here.client.coordination.cancelReservation({ reservationId: made[0].id });
  expect(reservation?.state).toBe(CANCELLED);
});
