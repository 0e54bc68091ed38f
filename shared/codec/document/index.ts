/** The documents that people write: accounts, prices, swarms and request logs, read into plain values or into every problem at once. */
export type { AccountSpec, AccountsDocument } from "./accounts-document.ts";
export { readAccountsDocument } from "./accounts-document.ts";
export type { PolicySpec, QueueSpec, ShadowSpec } from "./policy-reader.ts";
export { policyOfSpec } from "./policy-reader.ts";
export type { CodePrice, ModelPrice, Price } from "./price.ts";
export { affordableCodeMs, codeCost, modelCallCost } from "./price.ts";
export type { PriceTable } from "./prices-document.ts";
export { modelPrice, readPricesDocument, toolCallCost } from "./prices-document.ts";
export type { DocumentProblem, DocumentResult } from "./problem.ts";
export { formatProblems } from "./problem.ts";
export type { DocumentInput } from "./source.ts";
export type {
  BranchSpec,
  CodeSpec,
  OnFailure,
  OnInterruption,
  RoutineSpec,
  StepSpec,
  SwarmSpec,
  WorkerSpec,
} from "./swarm-document.ts";
export { readSwarmDocument } from "./swarm-document.ts";
export type { TraceCall, TraceInput, TraceProblem } from "./trace-document.ts";
export { readTrace } from "./trace-document.ts";
