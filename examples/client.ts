/**
 * A client in code: opens a swarm, runs a routine with one worker step, and is itself that step's worker, which pays for each model call
 * before it makes it. With a mesh up (npm run bursar -- up) in another terminal:   npx node examples/client.ts [HOST:PORT of coordination]
 */
import { randomUUID } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { CoordinationService } from "#gen/bursar/v1/coordination_service_pb.js";
import { CallKind, type MeterAnswer, type MeterItemSchema, MeterService } from "#gen/bursar/v1/meter_service_pb.js";
import { type WorkerReady, WorkOutcome } from "#gen/bursar/v1/run_pb.js";
import { type Connection, connect, fromStatusMessage } from "#rpc";
import { systemClock } from "#tier";

type Operation = NonNullable<MessageInitShape<typeof MeterItemSchema>["operation"]>;
type Ask = (operation: Operation) => Promise<MeterAnswer["result"]>;

const ACCOUNT = "global/research/demo";
const CREDITS_PER_TOKEN = 15n;

/** A Meter stream as a function: one item, one promise of its answer. */
function openMeter(connection: Connection): Ask {
  const waiting: PromiseWithResolvers<MeterAnswer["result"]>[] = [];
  const stream = connection.client(MeterService).meter();
  stream.onMessage(({ answers }) => {
    for (const { itemId, result } of answers) {
      if (result.case === "error") waiting[itemId]?.reject(fromStatusMessage(result.value));
      else waiting[itemId]?.resolve(result);
    }
  });
  stream.onEnd((failure) => {
    for (const { reject } of waiting) reject(failure ?? new Error("the execution daemon ended the stream"));
  });
  return (operation) => {
    const answer = Promise.withResolvers<MeterAnswer["result"]>();
    const itemId = waiting.push(answer) - 1;
    stream.send({ items: [{ itemId, operation }] });
    return answer.promise;
  };
}

/** Reserves for the worst case, makes the call, settles what it cost. Throws the refusal when even 50 tokens are too many. */
async function payAndCall(ask: Ask, allocationId: string, prompt: string): Promise<string> {
  const [wanted, minAmount] = [{ credits: 1_000n * CREDITS_PER_TOKEN }, { credits: 50n * CREDITS_PER_TOKEN }];
  const call = { requestId: randomUUID(), kind: CallKind.MODEL, name: "demo-model", ttlMs: 30_000 };
  const held = await ask({ case: "reserve", value: { ...call, allocationId, wanted, minAmount } });
  if (held.case !== "held") throw new Error(`a reserve was answered with ${held.case}`);
  const { holdId, granted, clamped } = held.value;
  // A clamp is passed on: the model (here a pretence of one) may not write more than is paid for.
  const tokensMax = (granted?.credits ?? 0n) / CREDITS_PER_TOKEN;
  const wishes = BigInt(prompt.length) * 40n;
  const tokens = wishes < tokensMax ? wishes : tokensMax;
  const cost = { credits: tokens * CREDITS_PER_TOKEN, facts: { generatedTokens: tokens } };
  await ask({ case: "settle", value: { allocationId, holdId, final: true, ...cost } });
  return `  ${prompt} ${tokens} tokens of ${tokensMax}${clamped ? " (clamped)" : ""}, ${cost.credits} credits`;
}

/** The worker: attaches with the step's token, does its calls, and says how it ended. */
async function work({ address, allocationId, token }: WorkerReady): Promise<void> {
  const execution = connect({ address, clock: systemClock });
  const ask = openMeter(execution);
  await ask({ case: "attach", value: { allocationId, token } });
  let [outcome, message] = [WorkOutcome.SUCCEEDED, ""];
  try {
    for (const prompt of ["Name the sources.", "Compare them.", "Say what is missing."]) {
      console.log(await payAndCall(ask, allocationId, prompt));
    }
  } catch (error) {
    [outcome, message] = [WorkOutcome.FAILED, String(error)];
  }
  await ask({ case: "complete", value: { allocationId, outcome, message } });
  execution.close();
}

const [address = "127.0.0.1:7410"] = process.argv.slice(2);
const connection = connect({ address, clock: systemClock });
const coordination = connection.client(CoordinationService);
const limits = { maxCredits: 50_000n, maxConcurrentBranches: 4n, maxDurationMs: 60_000n };
const { swarm } = await coordination.createSwarm({ requestId: randomUUID(), account: ACCOUNT, name: "client", limits });
const swarmId = swarm?.allocationId ?? "";
const worker = { case: "worker", value: { kind: "demo-model", attachWithinMs: 10_000 } } as const;
const steps = [{ name: "ask", limits: { maxCredits: 25_000n }, work: worker }];
const routine = { name: "answer", limits: { maxCredits: 30_000n, maxConcurrentBranches: 1n }, steps };
for await (const { events } of coordination.runRoutine({ requestId: randomUUID(), swarmId, routine })) {
  for (const { event } of events) {
    if (event.case === "workerReady") work(event.value).catch(console.error);
    if (event.case === "stepFinished") console.log(`${event.value.path}: ${WorkOutcome[event.value.outcome]}`);
    if (event.case === "finished") console.log(`the run used ${event.value.run?.usage?.credits} credits`);
  }
}
const { swarm: ended } = await coordination.stopSwarm({ swarm: swarmId, reason: "done" });
console.log(`the swarm spent ${ended?.credits?.spent} credits; what it did not spend is back at ${ACCOUNT}`);
connection.close();
