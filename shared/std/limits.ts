/**
 * Every bound in one place, units last in the names. A bound that is reached answers with a clear refusal; nothing grows without end.
 */
import { assert } from "./assert.ts";

export const LIMITS = Object.freeze({
  /** Largest amount of any resource: what a JSON number and an int64 both carry exactly. */
  amountMax: Number.MAX_SAFE_INTEGER,
  /** Commands waiting for the loop; beyond it callers get RESOURCE_EXHAUSTED with a retry time. */
  commandQueueMax: 65_536,
  /** Of one grant, calls that may be answered before their record is synced; a power cut hides at most so many of each. */
  aheadCallsMax: 8,
  /** Of the credits and tool calls of a grant, one in so many may be held by such calls, and counts as unconfirmed after a power cut. */
  aheadLimitParts: 16,
  /** A turn of the loop with more commands than this says that there is enough to collect for the next. */
  calmCommandsMax: 8,
  /** Events in one journal commit: the batch closes here even if more is waiting, for whoever comes next waits for its end: some 20 ms. */
  commitEventsMax: 2_048,
  /** Bytes of one journal row; a larger batch is split before it is written. */
  commitRowBytesMax: 16 * 1024 * 1024,
  /** Bytes of one chunk of a snapshot: what is aimed at, and what it may have where one thing is large (a note). */
  snapshotChunkBytes: 256 * 1024,
  snapshotChunkBytesMax: 4 * 1024 * 1024,
  /** Bytes of the memory of ended work in one part of a snapshot. */
  snapshotRecordsBytes: 64 * 1024,
  /** Engine time for which an ended request's answer is kept: ten minutes. */
  effectMemoryMs: 600_000,
  /** Requests whose answers are kept at a time; beyond it new ones are refused until old ones are forgotten. */
  effectsMax: 4_000_000,
  /** Closed children that a node remembers for reports; the oldest goes first. */
  closedChildrenMax: 1_000,
  /** Allocations written off and not corrected yet that one daemon remembers; beyond it nothing is written off. */
  writtenOffMax: 10_000,
  /** Closed received grants that are remembered: acknowledged ones, of which the oldest goes first; and others, beyond which no grant is taken. */
  closedRootsMax: 100_000,
  /** Bytes of one chunk of the memory of what has ended: it is taken and given back in such pieces. */
  recordChunkBytes: 64 * 1024,
  /** Granularity of everything that becomes due; an expiry is noticed at most this late. */
  dueBucketMs: 50,
  /** Names counted one by one per allocation; further ones count under "other". */
  toolNamesMax: 256,
  /** Depth of the tree below its root, over all daemons. */
  treeDepthMax: 64,
  /** Open children of one node. */
  childrenMax: 4_000_000,
  /** Requests waiting at one node, and how long they may wait, where the policy says nothing. */
  queueLengthMax: 10_000,
  queueWaitMsMax: 600_000,
  /** Longest time that `bursar run --wait` takes: thirty days. The policy of the swarm may let it wait less. */
  runWaitMsMax: 30 * 24 * 60 * 60 * 1_000,
  /** Waiting requests of one lane looked at for one that can go ahead of the rest, each time budget comes free. */
  backfillScanMax: 256,
  /** Running children looked at to know when budget comes free: of more it is not known. */
  knownEndsScanMax: 1_000,
  /** Waiting time that raises a request's priority in a queue by one level: where nothing is said, and the bounds of what may be said. */
  agingStepMs: 60_000,
  agingStepMsMin: 100,
  agingStepMsMax: 30 * 24 * 60 * 60 * 1_000,
  /** Ended preemptions remembered per allocation, and pending ones at a time. */
  endedReclaimsMax: 256,
  /** Of the pauses of an allocation that are over, so many are told again with each change. */
  pausesToldMax: 16,
  /** Preemptions of which coordination knows what was said of them below. */
  preemptionsKnownMax: 256,
  /** Allocations named in the answer to a preemption. */
  victimsToldMax: 256,
  /** Time to end in peace before force, at most; of whoever does not say, it is codeGraceMs. */
  graceMsMax: 600_000,
  /** After the grace of a stop: how long what was ended by force may take to be gone and settled. */
  stopSettleMs: 2_000,
  pendingReclaimsMax: 256,
  /** Of those who would give way to a request under a policy that is only tried, so many are named. */
  shadowGiversTold: 5,
  /** Preemption: running work that may give way, looked at per level of priority, and how much of it gives way at a time. */
  victimScanMax: 256,
  victimsPerRoundMax: 64,
  /** Work is not preempted for this long after it was granted, and not again for this long after it was preempted. */
  victimProtectMs: 5_000,
  victimCoolDownMs: 60_000,
  /** Nothing running is preempted for less than this percentage of what would be taken from it. */
  victimWorthPercentMin: 10,
  /** Work of which nobody knows how long it takes counts as half done after this time. */
  victimHalfDoneMs: 60_000,
  /** Such times may be set as long as this; and how long stopped work has to end in peace: where nothing is said, and at most. */
  victimTimesMsMax: 30 * 24 * 60 * 60 * 1_000,
  victimGraceMs: 5_000,
  victimGraceMsMax: 600_000,
  /** Nodes of a subtree looked at for what is free in it. */
  unspentScanMax: 1_024,
  /** A claim that nobody can give way to now is looked at again after this time; one whose victims are slow, after their grace and this. */
  claimLookMs: 5_000,
  /** Claims planned for at one node in one decision, and rounds of plans in it. */
  claimsPerDecisionMax: 16,
  /** Preempted work that is remembered until it is tried again: since when it has waited, and when it was preempted. */
  preemptedKeptMax: 10_000,
  /** Reservations of one node, and of one daemon; those that are over and are remembered; how far ahead one may begin, and how long it may last. */
  reservationsPerNodeMax: 64,
  reservationsMax: 10_000,
  pastReservationsMax: 1_000,
  reservationAheadMsMax: 30 * 24 * 60 * 60 * 1_000,
  reservationLastsMsMax: 30 * 24 * 60 * 60 * 1_000,
  /** Times looked at for the earliest at which a reservation that is refused would have room. */
  reservationLooksMax: 64,
  /** Candidates named in an answer that says why nothing can be preempted. */
  sparedNamedMax: 5,
  /** Time to live of a lease: where nothing is said, and the bounds of what may be said. */
  leaseTtlMs: 15_000,
  leaseTtlMsMin: 1_000,
  leaseTtlMsMax: 600_000,
  /** Decisions that a daemon remembers: grants and the like in order, refusals by subject, so that who asks again and again hides no others. */
  decisionsKept: 4_096,
  refusedSubjectsKept: 1_024,
  /** Nodes of which it is counted how a policy that is tried there has done. */
  shadowNodesKept: 1_024,
  /** Nodes of which it is counted how often those who wait there are served, and how many of the latest. */
  servedNodesKept: 256,
  servedGapsKept: 8,
  refusalsPerSubjectKept: 8,
  /** Decisions, and things of one kind, in one explanation; requests looked at to find one that only the state remembers. */
  whyDecisionsMax: 32,
  whyListedMax: 8,
  whyScanMax: 200_000,
  /** Daemons below that are asked for one explanation. */
  whyDaemonsMax: 64,
  /** Percentages of a limit that are used when its holder is told; where no policy says others. And how many a policy may say. */
  lowBudgetPercents: Object.freeze([80, 95]),
  lowBudgetPercentsMax: 8,
  /** Revisions of grants that a parent keeps of one child, to tell them once more when the child first reports of the allocation. */
  revisionsKeptMax: 65_536,
  /** A deadline that a parent tells again differs by what the journey took: what differs by no more than this has not moved. */
  deadlineDriftMs: 250,
  /** Shortest time between two usage reports of one allocation. */
  usageReportIntervalMs: 50,
  /** Usage reports that are told at a time, and the shortest time until more: a burst of thousands would keep the parent from all else. */
  usageReportsPartMax: 128,
  usageReportsPauseMs: 2,
  /** Grant requests that may wait for an answer on one uplink. */
  asksInFlightMax: 65_536,
  /** Allocations that one hello may name, in all its messages. */
  helloAllocationsMax: 1_000_000,
  /** What of one hello is booked in one batch: returns and reports. */
  helloPartMax: 512,
  /** Children (daemons of the tier below) that may be connected at a time. */
  childDaemonsMax: 1_024,
  /** Listeners of one kind that a loop tells. */
  subscribersMax: 1_024,
  /** On SIGTERM: how long running work may take to end or be handed back. */
  drainGraceMs: 10_000,
  /** Events of one piece of work that are kept for followers who come late. */
  feedEventsMax: 20_000,
  /** Runs or steps that have ended and are remembered for followers. */
  endedWorkMax: 1_000,
  /** Bytes kept of each output of a step. */
  stepOutputBytesMax: 64 * 1024,
  /** Code is paid for in slices of this length, in advance; and stopped this long before its paid time ends. */
  codeSliceMs: 500,
  codeStopLeadMs: 100,
  /** Time to live of a slice's hold: what of it was used is not known when the daemon dies. */
  codeHoldTtlMs: 5_000,
  /** Time between SIGTERM and SIGKILL of a step. */
  codeGraceMs: 1_000,
  /** How often the memory of a step's processes is looked at. */
  codeSampleMs: 100,
  /** How long a worker may take to attach when its step does not say. */
  workerAttachMs: 60_000,
  /** Calls that may wait for a top-up of one allocation. */
  topUpsWaitingMax: 4_096,
  /** After an allocation is closed: how long its last event may take to come. */
  lastEventWaitMs: 5_000,
  /** The same for what was closed before this daemon was started again: its holder may be starting, too. */
  foundEndWaitMs: 60_000,
  /** How long a preemption's caller is told of progress: one who does not say for how long, and at most. */
  preemptWaitMs: 5_000,
  preemptWaitMsMax: 600_000,
  /** How long StopSwarm waits for its runs: when the caller does not say, and at most. */
  stopWaitMs: 10_000,
  stopWaitMsMax: 600_000,
  /** Swarms in one answer of ListSwarms: for a caller who does not say, and at most. */
  pageSize: 100,
  pageSizeMax: 1_000,
  /** Shortest, longest and usual time between two answers of a watch; nodes shown in one tree; requests that wait, of one node and in all. */
  watchIntervalMsMin: 50,
  watchIntervalMsMax: 3_600_000,
  watchIntervalMs: 250,
  watchNodesMax: 10_000,
  viewNodeWaitersMax: 8,
  viewWaitersMax: 128,
  /** Grants to other daemons whose insides are asked for in one tree. */
  outsideViewsMax: 256,
  /** How long a step waits for an execution daemon to be there, and how often it looks. */
  childWaitMs: 10_000,
  childLookMs: 100,
  /** How long a parent listens whether budget that it asked back of a child comes from those below; later it comes as any return. */
  shrinkAnswerMs: 1_000,
  /** How long a daemon waits for another's view of a part of the tree. */
  viewWaitMs: 1_000,
  /** What a parent adds to a lease before it gives the holder up. */
  leaseMarginMs: 2_000,
  /** A lease is renewed once less than this part of its time is left: three chances within one. */
  leaseRenewParts: 3,
  /** Once no more than one such part is left, it is asked for this many times as often. */
  leaseRenewHaste: 4,
  /** Holders named in a refusal, and children looked at to find them. */
  conflictHoldersMax: 5,
  conflictHoldersScanMax: 1_000,
  /** Names of tools and resources that one allocation may hold, and characters of each. */
  accessNamesMax: 16,
  accessNameCharsMax: 128,
  /** Requests that wait for names looked at, at most, to see whether one more would wait for itself. */
  accessWaitsScanMax: 10_000,
  /** Those of a circle of such requests that are named. */
  accessCircleToldMax: 6,
  /** Retry time in a refusal where no change is foreseen. */
  retryAfterMs: 1_000,
  /** Time to live of a hold: what a caller gets that names none, and the most. */
  holdTtlMs: 60_000,
  holdTtlMsMax: 3_600_000,
  /** A service's record about an allocation, and how many of them: a run keeps how each of its steps and branches ended. */
  noteCharsMax: 1_000_000,
  notesMax: 65_536,
  /** Characters of a name, and of an id or request_id. */
  nameCharsMax: 63,
  idCharsMax: 128,
  /** Characters of a path of names: as many names as the tree is deep, with the account on top. */
  pathCharsMax: 4_160,
  /** Characters of a reason that one person gives to others. */
  reasonCharsMax: 1_024,
  /** Characters of the two headers of a trace context; a longer one reads as absent. */
  traceparentCharsMax: 128,
  tracestateCharsMax: 512,
  /** Characters of host:port. */
  addressCharsMax: 261,
  /** Weight of a share, at most. */
  weightMax: 1_000_000,
  /** Who is above or below its share by no more than this percentage of it is left alone; holders looked at for one who is not. */
  shareDeadZonePercent: 10,
  shareScanMax: 256,
  /** Pages (4,096 bytes) of the journal's write-ahead log before it is folded into the file, a stall of a few milliseconds. */
  journalLogPagesMax: 1_000,
  /**
   * The journal folds its commits into a snapshot once they are this many bytes and as many as the snapshot that it has; a journal with a
   * bound of its own earlier, at a quarter of it, but not below the second figure.
   */
  compactAfterBytes: 128 * 1024 * 1024,
  compactAfterBytesMin: 1024 * 1024,
  /** What is read or dropped for it at a time and written before the log is folded, and the main thread's pause between two slices. */
  compactSliceBytes: 1024 * 1024,
  compactSliceRows: 256,
  compactPauseMs: 2,
  /** Bytes of one gRPC message, in either direction. */
  messageBytesMax: 4 * 1024 * 1024,
  /** Items in one message of a batched stream. */
  streamItemsMax: 4_096,
  /** Items a stream may hold back for a reader that does not read; beyond it the stream ends with RESOURCE_EXHAUSTED. */
  streamBacklogItemsMax: 65_536,
  /** How long the start of a run or step may wait to be told together with what happens next. */
  startTellingDelayMs: 2,
  /** Orders of one stream of work that are not over, and how old such a stream becomes before it is opened anew. */
  worksPerStreamMax: 65_536,
  workStreamAgeMs: 3_600_000,
  /** Bytes a stream may hold back for a reader that does not read; the second bound beside the items. */
  streamBacklogBytesMax: 16 * 1024 * 1024,
  /** Bytes that a peer may send ahead, to a stream and to a connection, while this process has no turn to read them. */
  streamWindowBytes: 1024 * 1024,
  /** Bytes a stream hands to the transport before it waits for them to be written. */
  streamInFlightBytesMax: 256 * 1024,
  /** Open calls on one connection. */
  callsPerConnectionMax: 16_384,
  /** Deadline of a unary call that names none. */
  unaryDeadlineMs: 10_000,
  /** A quiet connection is probed this often, and given up when a probe is not answered in time: while its leases can still be renewed. */
  keepaliveIntervalMs: 4_000,
  keepaliveTimeoutMs: 3_000,
  /** First and longest pause between attempts to dial a peer. */
  redialDelayFirstMs: 100,
  redialDelayMaxMs: 2_000,
  /** After a drain's grace: how long the last answers may take to leave the socket. */
  shutdownFlushMs: 500,
  /** Parts of an error that travel in response trailers, which a peer may refuse when they are large. */
  errorMessageCharsMax: 1_024,
  errorHoldersMax: 5,
  errorFieldViolationsMax: 32,
  errorDetailBytesMax: 16 * 1024,
  /** Attempts of one operation, the first included, before its recovery moves on. */
  recoveryAttemptsMax: 4,
  /** Attempts of work that gives way to others again and again, the first one included. */
  preemptedAttemptsMax: 8,
  recoveryBackoffFirstMs: 100,
  recoveryBackoffMaxMs: 30_000,
  /** Ended spans waiting to be exported; beyond it spans are dropped and reported. */
  traceQueueSpansMax: 8_192,
  /** Spans in one export request. */
  traceBatchSpansMax: 512,
  /** Longest wait of an ended span before it is sent. */
  traceBatchDelayMs: 1_000,
  /** One export request with its retries. */
  traceExportTimeoutMs: 30_000,
  /** How long shutting down may wait for the collector to take the last spans. */
  traceShutdownMs: 3_000,
  /** Processes looked at before the event loop gets its turn, while the process table is read. */
  processScanSliceMax: 64,
  /** First look at a new or ending command; the pause doubles from look to look up to the caller's or the ending's own. */
  processLookFirstMs: 10,
  processEndingLookMs: 100,
  /** After SIGKILL: how long processes may take to be gone before they are reported as left behind. */
  processGoneMs: 5_000,
  /** After the last process is gone: how long its output may take to be read to the end. */
  processOutputFlushMs: 1_000,
  /** A command over its memory limit has its grace to end; above this percentage of the limit it is killed at once. */
  processMemoryKillPercent: 125,
  /** Bytes of one YAML document (accounts, prices, swarm). */
  documentBytesMax: 1024 * 1024,
  /** Maps and lists inside each other in one document. */
  documentDepthMax: 128,
  /** Places that the aliases of one document may stand for, counted after their own aliases are followed. */
  documentAliasesMax: 100,
  /** Problems of one document that are listed; the rest are counted. */
  documentProblemsMax: 100,
  /** Faults of one journal that are listed, and nodes at the top whose books are shown. */
  doctorProblemsMax: 100,
  doctorRootsMax: 1_000,
  /** Characters of one text in a document. */
  documentTextCharsMax: 4_096,
  /** Longest duration a document may ask for: ten years. */
  durationMsMax: 10 * 366 * 24 * 60 * 60 * 1_000,
  /** Accounts side by side in the accounts file. */
  accountsPerLevelMax: 10_000,
  /** Lists of steps inside each other in one routine, and steps in the whole of it. */
  routineDepthMax: 16,
  routineStepsMax: 10_000,
  /** Models, and tools, in one price file. */
  priceNamesMax: 10_000,
  /** Words of one command, characters of one of them, and variables that a step may set for it. */
  commandWordsMax: 256,
  commandWordCharsMax: 32_768,
  commandVariablesMax: 256,
  /** Characters of one line of a request log. */
  traceLineCharsMax: 1_024,
  /** How long the command line client waits for a mesh that says it is not ready yet, or whose stream was lost. */
  clientPatienceMs: 10_000,
  /** How long it tries to ask a mesh that was lost how things stand: one that is kept running is back by then. */
  lostMeshPatienceMs: 3_000,
  clientRetryFirstMs: 100,
  clientRetryMaxMs: 1_000,
  /** How long the client waits for a stopped swarm's runs to end; they go on ending after that. */
  swarmStopWaitMs: 10_000,
  /** A daemon must serve this long after it was started, and is killed this long after it was told to end. */
  daemonStartMs: 20_000,
  daemonStopMs: 20_000,
  /** How long the daemons of a new mesh may take to find each other before it is called up all the same. */
  meshJoinMs: 5_000,
  /** Restarts of one daemon within a minute, and the pause before one; beyond it the mesh gives up. */
  daemonRestartsPerMinuteMax: 5,
  daemonRestartFirstMs: 200,
  daemonRestartMaxMs: 5_000,
  /** Bytes of one daemon's log file before it is rolled over (one older file is kept), and characters of one line. */
  daemonLogBytesMax: 8 * 1024 * 1024,
  daemonLogLineCharsMax: 16 * 1024,
  /** Last log lines of a daemon that are told when it could not start. */
  daemonLastWordsMax: 12,
  /** Branches of a replay side by side, and tokens that a replayed call is taken to generate at worst. */
  replayBranches: 16,
  replayBranchesMax: 4_096,
  replayGeneratedTokensMax: 2_048,
  /** Time to live of a replayed call's hold: after it a call of a replay that died is taken to have happened. */
  replayHoldTtlMs: 10_000,
  /** How long a replayed branch waits for its worker to attach, and a worker for an execution daemon that was lost to take it again. */
  replayAttachWithinMs: 60_000,
  replayPatienceMs: 30_000,
  /** Closed children of one node that a drawn tree shows, and lines of a step's output that a run shows. */
  shownClosedMax: 10,
  /** Branches of one parallel step that a drawn tree shows. */
  shownBranchesMax: 16,
  shownOutputLinesMax: 6,
  /** Pause between two states of a status line on a terminal, and between the notes that stand for it elsewhere. */
  statusIntervalMs: 100,
  statusNoteIntervalMs: 10_000,
  /** Swarms asked for in one page. */
  listPageSize: 500,
});

assert(LIMITS.pathCharsMax >= (LIMITS.nameCharsMax + 1) * (LIMITS.treeDepthMax + 1), "the longest path must fit");
assert(LIMITS.snapshotChunkBytesMax <= LIMITS.commitRowBytesMax, "a chunk of a snapshot must fit into a row");
assert(
  LIMITS.snapshotChunkBytes + 3 * LIMITS.noteCharsMax + 64 * 1024 <= LIMITS.snapshotChunkBytesMax,
  "the largest note must fit into a chunk that is nearly full",
);
assert(LIMITS.streamItemsMax <= LIMITS.streamBacklogItemsMax, "one message must fit into the backlog");
assert(LIMITS.commitEventsMax <= LIMITS.commandQueueMax, "a batch cannot hold more than can wait");
assert(LIMITS.messageBytesMax <= LIMITS.streamBacklogBytesMax, "the largest message must fit into the backlog");
assert(LIMITS.streamInFlightBytesMax <= LIMITS.streamBacklogBytesMax, "what is in flight is part of what may be held");
assert(LIMITS.traceBatchSpansMax <= LIMITS.traceQueueSpansMax, "a batch of spans cannot hold more than can wait");
assert(LIMITS.routineStepsMax * 4 < LIMITS.notesMax, "how each step and branch of a run ended must fit into its notes");
assert(LIMITS.routineDepthMax * 6 < LIMITS.documentDepthMax, "the deepest routine must fit into a document");
assert(
  LIMITS.keepaliveIntervalMs + LIMITS.keepaliveTimeoutMs < LIMITS.leaseTtlMs / 2,
  "a link that carries nothing must be noticed while there is time to renew a lease over another",
);
assert(LIMITS.replayPatienceMs < LIMITS.replayAttachWithinMs, "a worker must not be waited for when it has given up");
assert(LIMITS.replayBranches <= LIMITS.replayBranchesMax, "the default number of branches is an allowed one");
