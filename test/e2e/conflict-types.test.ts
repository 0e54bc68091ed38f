/** Each sort of conflict is told in the same words to the caller, in the trace, to who watches and to who asks why; its details say what, where and who. */
import { randomUUID } from "node:crypto";
import { afterAll, describe, expect, test, vi } from "vitest";
import { FaultError } from "#errors";
import { DEMO_ACCOUNT, runRoutine, workerRoutine } from "./client.ts";
import { lastReason } from "./decisions.ts";
import { Agent, failureOf, MeshForTests } from "./mesh-for-tests.ts";
import { type OtlpReceiver, startOtlpReceiver } from "./otlp-receiver.ts";

const FIRST_COME = 1;
const MIB = 1_048_576n;

// Commands take their time where the machine is busy.
vi.setConfig({ testTimeout: 60_000 });

let receiver: OtlpReceiver;
afterAll(() => receiver.close());

const here = new MeshForTests({
  environment: async () => {
    receiver = await startOtlpReceiver();
    return { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint, OTEL_BSP_SCHEDULE_DELAY: "50" };
  },
});

interface Case {
  readonly conflict: string;
  readonly resource: string;
  /** Of the swarm, of the run that has a part of that, and of the one that is refused for it. */
  readonly limits: readonly [object, object, object];
  readonly access?: readonly [object, object];
  readonly words: string;
  /** Whether the one that has a part is named. */
  readonly hasHolder?: boolean;
  /** Whether it may be had a little later. */
  readonly isNow?: boolean;
  /** It is refused by the account at the top: under that names are had. */
  readonly isOfTop?: boolean;
}

const CASES: readonly Case[] = [
  {
    conflict: "INSUFFICIENT_CREDITS",
    resource: "credits",
    limits: [{ maxCredits: 100n }, { maxCredits: 80n }, { maxCredits: 30n }],
    words: "has 20 credits free of the 30 wanted",
  },
  {
    conflict: "TOOL_LIMIT_REACHED",
    resource: "tool_calls",
    limits: [{ maxToolCalls: 10n }, { maxToolCalls: 8n }, { maxToolCalls: 3n }],
    words: "has 2 tool_calls free of the 3 wanted",
  },
  {
    conflict: "INSUFFICIENT_MEMORY",
    resource: "memory_bytes",
    limits: [{ maxMemoryBytes: 10n * MIB }, { maxMemoryBytes: 8n * MIB }, { maxMemoryBytes: 3n * MIB }],
    words: "free of the 3145728 wanted",
  },
  {
    conflict: "CONCURRENCY_LIMIT_REACHED",
    resource: "concurrent_branches",
    limits: [{ maxConcurrentBranches: 2n }, { maxConcurrentBranches: 1n }, {}],
    words: "has 0 concurrent_branches free of the 2 wanted",
  },
  {
    conflict: "INSUFFICIENT_TIME",
    resource: "duration",
    limits: [{}, {}, { maxDurationMs: 0n }],
    words: "deadline",
    hasHolder: false,
    isNow: false,
  },
  {
    conflict: "EXCLUSIVE_ACCESS_REQUIRED",
    resource: "access",
    limits: [{}, {}, {}],
    access: [{ exclusive: ["desk"] }, { shared: ["desk"] }],
    words: "desk under global is held EXCLUSIVE by",
    isOfTop: true,
  },
];

/** The words of the decision in the spans of a trace. */
async function tracedWords(traceId: string): Promise<unknown> {
  const words = () =>
    receiver.spans
      .filter((span) => span.traceId === traceId)
      .flatMap(({ events }) => events)
      .filter(({ name, attributes }) => name === "bursar.decision" && attributes["bursar.decided"] === "REFUSED")
      .map(({ attributes }) => attributes["bursar.reason"]);
  await receiver.until(() => words().length > 0);
  return words().at(-1);
}

describe.each(CASES)(
  "$conflict",
  ({
    conflict,
    resource,
    limits: [all, some, more],
    access,
    words,
    hasHolder = true,
    isNow = true,
    isOfTop = false,
  }) => {
    test("is told everywhere in the same words, with what, where, who and when", async () => {
      const name = conflict.toLowerCase().replaceAll("_", "-");
      const limits = { maxCredits: 1_000n, ...all };
      const policy = { strategy: FIRST_COME };
      const order = { requestId: randomUUID(), account: DEMO_ACCOUNT, name, limits, policy };
      const { swarm } = await here.client.coordination.createSwarm(order);
      if (!swarm) throw new Error("CreateSwarm answered no swarm");
      const run = (part: object, its: object | undefined, called: string) => {
        const { steps, ...routine } = workerRoutine(10n, called);
        const asked = { requestId: randomUUID(), swarmId: swarm.allocationId, ...(its && { access: its }) };
        const traceId = randomUUID().replaceAll("-", "");
        const wanted = { maxCredits: 10n, ...part };
        const trace = { traceparent: `00-${traceId}-00f067aa0ba902b7-01` };
        const request = { ...asked, limits: wanted, routine: { ...routine, limits: {}, steps } };
        return { followed: runRoutine(here.client, request, trace), requestId: asked.requestId, traceId };
      };
      const holder = run(some, access?.[0], "holder");
      const agent = await Agent.of(holder.followed);
      const refused = run(more, access?.[1], "refused");
      const error = await failureOf(refused.followed);
      if (!(error instanceof FaultError)) throw error;
      expect(error.message).toContain(words);
      expect(error.message.startsWith(`${conflict}: `)).toBe(true);
      expect(error.error).toMatchObject({ conflict, resource });
      const {
        accounts: [top],
      } = await here.client.coordination.getAccounts({});
      expect(error.error.ancestor).toBe(isOfTop ? top?.allocationId : swarm.allocationId);
      const [held] = (await here.look(swarm)).children;
      expect(error.error.holders).toEqual(hasHolder ? [held?.allocationId] : []);
      expect(error.error.retryAfterMs).toBe(isNow ? 1_000 : undefined);

      expect(await tracedWords(refused.traceId)).toBe(error.message);
      const seen = await here.watched.first(({ requestId }) => requestId === refused.requestId);
      expect(seen.reason).toBe(error.message);
      expect(await lastReason(here.client, refused.requestId)).toBe(error.message);
      const { code, out, err } = await here.bursar("why", `${name}/refused`);
      expect(code, err).toBe(0);
      expect(out).toContain(error.message);

      await agent.complete();
      await holder.followed.ended;
    });
  },
);
