/** What kind of fault an error is, and whether it can be recovered from; the error table says it per type. */

/** TRANSIENT passes by itself; RESOURCE is a budget or quota; the rest is wrong until somebody changes something. */
export const ERROR_CATEGORIES = Object.freeze([
  "TRANSIENT",
  "RESOURCE",
  "LOGIC",
  "CONFIGURATION",
  "SECURITY",
  "UNKNOWN",
] as const);
export type ErrorCategory = (typeof ERROR_CATEGORIES)[number];

/** AUTOMATIC: repeating may help. PARTIAL: a changed or smaller request may help. NONE: repeating never helps. */
export type Recoverability = "AUTOMATIC" | "PARTIAL" | "NONE";
