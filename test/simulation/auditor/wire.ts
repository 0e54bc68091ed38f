/** A8: what a daemon says to the outside is in its journal, durable (or a hold within its allowance, A18), when it says it. Reads each message as it is handed to the network. */
import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import type { Grant } from "../../../shared/gen/bursar/v1/allocation_pb.js";
import {
  type HeldAllocation,
  type ReturnSurplus,
  StreamGrantsRequestSchema,
  StreamGrantsResponseSchema,
  StreamUsageRequestSchema,
  type UsageReport,
} from "../../../shared/gen/bursar/v1/budget_service_pb.js";
import { ExecuteStepsRequestSchema } from "../../../shared/gen/bursar/v1/execution_service_pb.js";
import { type MeterAnswer, MeterResponseSchema } from "../../../shared/gen/bursar/v1/meter_service_pb.js";
import { PreemptResponseSchema } from "../../../shared/gen/bursar/v1/preemption_service_pb.js";
import { ExecuteRoutinesRequestSchema } from "../../../shared/gen/bursar/v1/process_service_pb.js";
import type { ResourceAmounts, ResourceUsage } from "../../../shared/gen/bursar/v1/resources_pb.js";
import { Violation } from "../world/violation.ts";
import type { Allowances } from "./allowances.ts";
import { type Ledger, type Node, type PerResource, usageOf } from "./ledger.ts";

type Check = (bytes: Uint8Array) => void;

export class Wire {
  readonly #ledger: Ledger;
  readonly #allowances: Allowances;
  /** By the method's path and the direction in which this daemon speaks. */
  readonly #checks: ReadonlyMap<string, Check>;

  constructor(ledger: Ledger, allowances: Allowances) {
    this.#ledger = ledger;
    this.#allowances = allowances;
    const budget = "/bursar.v1.BudgetService";
    this.#checks = new Map<string, Check>([
      [
        `${budget}/StreamGrants up`,
        reading(StreamGrantsRequestSchema, ({ hello, returns }) => {
          for (const held of hello?.allocations ?? []) this.#held(held);
          for (const item of returns) this.#returned(item);
        }),
      ],
      [
        `${budget}/StreamUsage up`,
        reading(StreamUsageRequestSchema, ({ reports }) => {
          for (const report of reports) this.#reported(report);
        }),
      ],
      [
        `${budget}/StreamGrants down`,
        reading(StreamGrantsResponseSchema, ({ welcome, decisions, revisions }) => {
          for (const { allocationId, epoch, grantedTotal } of welcome?.allocations ?? []) {
            if (epoch !== 0n) this.#granted(allocationId, grantedTotal, "welcomes");
          }
          for (const { grant, revision } of decisions) {
            if (grant) this.#handedOver(grant);
            if (revision) this.#granted(revision.allocationId, revision.grantedTotal, "decides");
          }
          for (const { allocationId, grantedTotal } of revisions) this.#granted(allocationId, grantedTotal, "revises");
        }),
      ],
      [
        "/bursar.v1.ProcessService/ExecuteRoutines up",
        reading(ExecuteRoutinesRequestSchema, ({ orders }) => {
          for (const { grant } of orders) this.#handedOver(grant);
        }),
      ],
      [
        "/bursar.v1.ExecutionService/ExecuteSteps up",
        reading(ExecuteStepsRequestSchema, ({ orders }) => {
          for (const { grant } of orders) this.#handedOver(grant);
        }),
      ],
      [
        "/bursar.v1.PreemptionService/Preempt down",
        reading(PreemptResponseSchema, ({ allocationId, returnedTotal }) => {
          const node = this.#ledger.nodes.get(allocationId);
          if (node) this.#within(node, numbers(returnedTotal), node.returned, "answers a preemption with");
        }),
      ],
      [
        "/bursar.v1.MeterService/Meter down",
        reading(MeterResponseSchema, ({ answers }) => {
          for (const answer of answers) this.#answered(answer);
        }),
      ],
    ]);
  }

  /** Throws when the message says what is not durable. */
  said(path: string, direction: "up" | "down", bytes: Uint8Array): void {
    this.#checks.get(`${path} ${direction}`)?.(bytes);
  }

  #held(held: HeldAllocation): void {
    const node = this.#known(held.allocationId, "says hello with");
    this.#within(node, numbers(held.grantedTotal), node.granted, "says hello with granted");
    this.#within(node, numbers(held.returnedTotal), node.returned, "says hello with returned");
    this.#used(node, held.usage);
  }

  #reported({ allocationId, usage, returnedTotal }: UsageReport): void {
    const node = this.#known(allocationId, "reports");
    this.#within(node, numbers(returnedTotal), node.returned, "reports returned");
    this.#used(node, usage);
  }

  #returned({ allocationId, returnedTotal }: ReturnSurplus): void {
    const node = this.#known(allocationId, "returns");
    this.#within(node, numbers(returnedTotal), node.returned, "returns");
  }

  #granted(allocationId: string, total: ResourceAmounts | undefined, verb: string): void {
    const node = this.#known(allocationId, verb);
    this.#within(node, numbers(total), node.granted, verb);
  }

  #handedOver(grant: Grant | undefined): void {
    if (!grant) return;
    const node = this.#known(grant.allocationId, "hands over");
    const { maxCredits = 0n, maxToolCalls = 0n } = grant.limits ?? {};
    const told = { ...numbers(undefined), credits: Number(maxCredits), toolCalls: Number(maxToolCalls) };
    this.#within(node, told, node.granted, "hands over");
  }

  #used(node: Node, usage: ResourceUsage | undefined): void {
    // What has been corrected meanwhile is older, and says so.
    if (Number(usage?.corrections ?? 0n) < node.corrections) return;
    const durable = { ...numbers(undefined), credits: usageOf(node, "credits"), toolCalls: usageOf(node, "toolCalls") };
    const told = {
      ...numbers(undefined),
      credits: Number(usage?.credits ?? 0n),
      toolCalls: Number(usage?.toolCalls ?? 0n),
    };
    this.#within(node, told, durable, "tells a usage of");
  }

  #answered({ result }: MeterAnswer): void {
    if (result.case === "held") {
      const { holdId, granted } = result.value;
      const call = this.#ledger.calls.get(holdId);
      if (call && Number(granted?.credits ?? 0n) <= call.amounts.credits) return;
      if (!call && this.#allowances.answers(this.#ledger, holdId)) return;
      const durable = call ? `${call.amounts.credits} credits` : "nothing";
      this.#fail(`answers hold ${holdId} of ${granted?.credits} credits, durable is ${durable}`, [holdId]);
    }
    if (result.case !== "settled" || result.value.late) return;
    const { holdId, credits } = result.value;
    const charged = this.#ledger.calls.get(holdId)?.charged.credits;
    if (charged !== undefined && Number(credits) <= charged) return;
    this.#fail(`answers that hold ${holdId} is settled at ${credits} credits, durable is ${charged}`, [holdId]);
  }

  #known(allocationId: string, verb: string): Node {
    const node = this.#ledger.nodes.get(allocationId);
    if (node) return node;
    return this.#fail(`${verb} ${allocationId}, of which nothing is durable`, [allocationId]);
  }

  #within(node: Node, told: PerResource, durable: PerResource, verb: string): void {
    for (const resource of ["credits", "toolCalls", "branches", "memoryBytes"] as const) {
      if (told[resource] <= durable[resource]) continue;
      this.#fail(`${verb} ${told[resource]} ${resource} of ${node.path}, durable is ${durable[resource]}`, [node.id]);
    }
  }

  #fail(message: string, about: readonly string[]): never {
    throw new Violation("A8.not-durable", `${this.#ledger.owner} ${message}`, [this.#ledger.owner, ...about]);
  }
}

function reading<S extends DescMessage>(schema: S, check: (message: MessageShape<S>) => void): Check {
  return (bytes) => check(fromBinary(schema, bytes));
}

function numbers(amounts: ResourceAmounts | undefined): PerResource {
  return {
    credits: Number(amounts?.credits ?? 0n),
    toolCalls: Number(amounts?.toolCalls ?? 0n),
    branches: Number(amounts?.concurrentBranches ?? 0n),
    memoryBytes: Number(amounts?.memoryBytes ?? 0n),
  };
}
