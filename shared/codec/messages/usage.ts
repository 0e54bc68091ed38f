/** Cumulative usage of a subtree, and the books of one node. */
import { type Book, type HeldBook, NO_USAGE, type ReportedUsage } from "#budget";
import type { Books, HeldBooks, ResourceUsage, ToolUsage } from "#gen/bursar/v1/resources_pb.js";
import { LIMITS } from "#std";
import type { FieldCheck } from "../parse/field-check.ts";

/** The names that are counted one by one, and the name of the rest. */
const TOOLS_MAX = LIMITS.toolNamesMax + 1;

export function usageToProto(usage: ReportedUsage): ResourceUsage {
  return {
    $typeName: "bursar.v1.ResourceUsage",
    credits: BigInt(usage.credits),
    toolCalls: BigInt(usage.toolCalls),
    overrunCredits: BigInt(usage.overrunCredits),
    overrunToolCalls: BigInt(usage.overrunToolCalls),
    concurrentBranchesPeak: BigInt(usage.branchesPeak),
    memoryBytesPeak: BigInt(usage.memoryPeakBytes),
    networkBytes: BigInt(usage.networkBytes),
    diskBytes: BigInt(usage.diskBytes),
    gpuMs: BigInt(usage.gpuMs),
    tools: usage.callsPerTool.map(toolToProto),
    corrections: BigInt(usage.corrections),
    provisional: usage.provisional,
  };
}

function toolToProto([name, calls]: readonly [string, number]): ToolUsage {
  return { $typeName: "bursar.v1.ToolUsage", name, calls: BigInt(calls) };
}

/** An absent message is no usage at all. */
export function usageFromProto(check: FieldCheck, message: ResourceUsage | undefined): ReportedUsage {
  if (message === undefined) return NO_USAGE;
  const tools = check.list("tools", message.tools, TOOLS_MAX);
  return {
    credits: check.amount("credits", message.credits),
    toolCalls: check.amount("tool_calls", message.toolCalls),
    overrunCredits: check.amount("overrun_credits", message.overrunCredits),
    overrunToolCalls: check.amount("overrun_tool_calls", message.overrunToolCalls),
    branchesPeak: check.amount("concurrent_branches_peak", message.concurrentBranchesPeak),
    memoryPeakBytes: check.amount("memory_bytes_peak", message.memoryBytesPeak),
    networkBytes: check.count("network_bytes", message.networkBytes),
    diskBytes: check.count("disk_bytes", message.diskBytes),
    gpuMs: check.count("gpu_ms", message.gpuMs),
    callsPerTool: tools.map(({ name, calls }, index) => {
      const tool = check.at("tools", index);
      return [tool.callName("name", name), tool.count("calls", calls)] as const;
    }),
    corrections: check.count("corrections", message.corrections),
    provisional: message.provisional,
  };
}

export function booksToProto(book: Book): Books {
  return {
    $typeName: "bursar.v1.Books",
    limit: BigInt(book.limit),
    debt: BigInt(book.debt),
    available: BigInt(book.available),
    reserved: BigInt(book.reserved),
    unconfirmed: BigInt(book.unconfirmed),
    granted: BigInt(book.granted),
    inDoubt: BigInt(book.inDoubt),
    spent: BigInt(book.spent),
    overrun: BigInt(book.overrun),
    usage: BigInt(book.usage),
    unlimited: book.elastic,
  };
}

export function booksFromProto(check: FieldCheck, message: Books): Readonly<Book> {
  return {
    elastic: message.unlimited,
    limit: check.amount("limit", message.limit),
    debt: check.amount("debt", message.debt),
    available: check.amount("available", message.available),
    reserved: check.amount("reserved", message.reserved),
    unconfirmed: check.amount("unconfirmed", message.unconfirmed),
    granted: check.amount("granted", message.granted),
    inDoubt: check.amount("in_doubt", message.inDoubt),
    spent: check.amount("spent", message.spent),
    overrun: check.amount("overrun", message.overrun),
    usage: check.amount("usage", message.usage),
  };
}

export function heldBooksToProto(book: HeldBook): HeldBooks {
  return {
    $typeName: "bursar.v1.HeldBooks",
    limit: BigInt(book.limit),
    inUse: BigInt(book.inUse),
    peak: BigInt(book.peak),
    unlimited: book.elastic,
  };
}

export function heldBooksFromProto(check: FieldCheck, message: HeldBooks): Readonly<HeldBook> {
  return {
    elastic: message.unlimited,
    limit: check.amount("limit", message.limit),
    inUse: check.amount("in_use", message.inUse),
    peak: check.amount("peak", message.peak),
  };
}
