/** What the three daemons share: settings, the life of a process, and the services that each of them serves the same way. */
export { type BaseOptions, type DaemonBase, type Log, openBase } from "./base.ts";
export { ChildLoads } from "./child-loads.ts";
export { Closings } from "./closings.ts";
export { type DelegateEnd, type DelegateOptions, delegateWork } from "./delegate-work.ts";
export { EventFeed, eventNumbers } from "./event-feed.ts";
export { findNode } from "./find-node.ts";
export { pause } from "./pause.ts";
export { Peers } from "./peers.ts";
export { PreemptChildren, type PreemptChildrenParts } from "./preempt-children.ts";
export { checkAddressee, preemptionService } from "./preemption-service.ts";
export { type DaemonParts, EXIT, type RunOptions, runDaemon, SettingsError } from "./run-daemon.ts";
export { type DaemonSettings, parseDaemonSettings, usageText } from "./settings.ts";
export { checkGrantor, takeGrant } from "./take-grant.ts";
export { connectTierAbove, type TierAbove } from "./tier-above.ts";
export { type TreeRequest, type TreeViewParts, viewTree } from "./tree-view.ts";
export { watchService } from "./watch-service.ts";
export { type WrittenOff, writeOffHere } from "./write-off.ts";
