/** Interfaces between the rooms; each has an implementation for daemons and one for tests or simulation. */
export type { Clock } from "./clock.ts";
export type { IdSource } from "./id-source.ts";
export type { Commit, Journal, OpenedJournal } from "./journal.ts";
export type {
  AllocationStanding,
  ChildLink,
  Directive,
  DownItem,
  GrantAnswer,
  GrantAsk,
  GrantHandover,
  GrantTarget,
  HeldAllocation,
  Hello,
  ItemError,
  LeaseTerms,
  Link,
  LowBudget,
  ParentLink,
  UpItem,
  UsageAck,
  UsageItem,
  Welcome,
} from "./link.ts";
export type { Span, SpanAttributes, SpanOptions, Telemetry, TraceContext } from "./telemetry.ts";
