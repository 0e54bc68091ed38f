/** How a child presents itself and all it holds, and how its parent answers. */
import { TIERS } from "#errors";
import type {
  AllocationStanding as AllocationStandingMessage,
  HeldAllocation as HeldAllocationMessage,
  Hello as HelloMessage,
  Welcome as WelcomeMessage,
} from "#gen/bursar/v1/budget_service_pb.js";
import type { AllocationStanding, HeldAllocation, Hello, Welcome } from "#ports";
import { LIMITS } from "#std";
import { allocationStates } from "../enum-names.ts";
import type { FieldCheck } from "../parse/field-check.ts";
import { inheritedFromProto, inheritedToProto, leaseFromProto, leaseToProto } from "./allocation.ts";
import { amountsFromProto, amountsToProto, leftFromProto, leftToProto } from "./amounts.ts";
import { pausesOverFromProto } from "./grants.ts";
import { usageFromProto, usageToProto } from "./usage.ts";

/** `more`: further allocations follow in the next message. */
export function helloToProto(hello: Hello, more = false): HelloMessage {
  const { instance, incarnation, journalId, address, tier, capacity } = hello;
  const allocations = hello.allocations.map(heldToProto);
  const [clockMarkMs, life] = [markToProto(hello.clockMarkMs), BigInt(hello.life)];
  const $typeName = "bursar.v1.Hello";
  return { $typeName, instance, incarnation, journalId, address, tier, capacity, allocations, more, clockMarkMs, life };
}

export function helloFromProto(check: FieldCheck, message: HelloMessage): Hello {
  if (!TIERS.some((tier) => tier === message.tier)) check.refuse("tier", `must be one of ${TIERS.join(", ")}`);
  return {
    instance: check.id("instance", message.instance),
    incarnation: check.id("incarnation", message.incarnation),
    journalId: check.id("journal_id", message.journalId),
    address: check.address("address", message.address),
    tier: message.tier,
    capacity: message.capacity,
    life: check.count("life", message.life),
    clockMarkMs: markFromProto(check, message.clockMarkMs),
    allocations: check
      .list("allocations", message.allocations, LIMITS.streamItemsMax)
      .map((held, index) => heldFromProto(check.at("allocations", index), held)),
  };
}

/** A clock mark; 0 stands for one that was not said. Earlier is safe, so parts of a millisecond are left off. */
export function markToProto(clockMarkMs: number | undefined): bigint {
  return BigInt(Math.floor(clockMarkMs ?? 0));
}

export function markFromProto(check: FieldCheck, clockMarkMs: bigint): number | undefined {
  return clockMarkMs === 0n ? undefined : check.count("clock_mark_ms", clockMarkMs);
}

function heldToProto(held: HeldAllocation): HeldAllocationMessage {
  return {
    $typeName: "bursar.v1.HeldAllocation",
    allocationId: held.allocationId,
    epoch: BigInt(held.epoch),
    usage: usageToProto(held.usage),
    grantedTotal: amountsToProto(held.grantedTotal),
    returnedTotal: amountsToProto(held.returnedTotal),
    final: held.final,
  };
}

function heldFromProto(check: FieldCheck, message: HeldAllocationMessage): HeldAllocation {
  return {
    allocationId: check.id("allocation_id", message.allocationId),
    epoch: check.count("epoch", message.epoch),
    usage: usageFromProto(check.inside("usage"), message.usage),
    grantedTotal: amountsFromProto(check.inside("granted_total"), message.grantedTotal),
    returnedTotal: amountsFromProto(check.inside("returned_total"), message.returnedTotal),
    final: message.final,
  };
}

/** `more`: further allocations follow in the next message. */
export function welcomeToProto(welcome: Welcome, more = false): WelcomeMessage {
  const { welcomeId, instance, incarnation } = welcome;
  const allocations = welcome.allocations.map(standingToProto);
  return { $typeName: "bursar.v1.Welcome", welcomeId, instance, incarnation, allocations, more };
}

export function welcomeFromProto(check: FieldCheck, message: WelcomeMessage): Welcome {
  return {
    welcomeId: check.id("welcome_id", message.welcomeId),
    instance: check.id("instance", message.instance),
    incarnation: check.id("incarnation", message.incarnation),
    allocations: message.allocations.map((one, index) => standingFromProto(check.at("allocations", index), one)),
  };
}

function standingToProto(standing: AllocationStanding): AllocationStandingMessage {
  const { allocationId, epoch, state, grantedTotal, lease, deadlineLeftMs, pausesOver = [], inherited } = standing;
  return {
    $typeName: "bursar.v1.AllocationStanding",
    allocationId,
    epoch: BigInt(epoch),
    state: state === undefined ? 0 : allocationStates.numberOf[state],
    grantedTotal: amountsToProto(grantedTotal),
    pausesOver: [...pausesOver],
    ...(lease === undefined ? {} : { lease: leaseToProto(lease) }),
    ...(deadlineLeftMs === undefined ? {} : { deadlineLeftMs: leftToProto(deadlineLeftMs) }),
    ...(inherited && { inherited: inheritedToProto(inherited) }),
  };
}

function standingFromProto(check: FieldCheck, message: AllocationStandingMessage): AllocationStanding {
  return {
    allocationId: check.id("allocation_id", message.allocationId),
    epoch: check.count("epoch", message.epoch),
    state: check.optionalChoice("state", message.state, allocationStates),
    grantedTotal: amountsFromProto(check.inside("granted_total"), message.grantedTotal),
    lease: message.lease && leaseFromProto(check.inside("lease"), message.lease),
    ...leftFromProto(check, message.deadlineLeftMs),
    ...pausesOverFromProto(check, message.pausesOver),
    ...inheritedFromProto(check, message.inherited),
  };
}
