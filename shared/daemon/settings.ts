/**
 * What a daemon is started with. Parsed once into a complete, frozen value; every problem is reported at once, and none is guessed
 * away. The same options serve all three tiers; one that a tier does not know is refused by name.
 */
import { parseArgs } from "node:util";
import type { Tier } from "#errors";
import { LIMITS } from "#std";

export interface DaemonSettings {
  readonly tier: Tier;
  /** host:port to serve; port 0 takes a free one. */
  readonly listen: string;
  /** host:port at which the other daemons reach this one; undefined: where it listens. */
  readonly advertise: string | undefined;
  /** The journal's file. */
  readonly journal: string;
  /** host:port of the tier above; undefined for coordination. */
  readonly parent: string | undefined;
  /** Coordination: the accounts file. */
  readonly accounts: string | undefined;
  /** Execution: the price table; without it code costs nothing. */
  readonly prices: string | undefined;
  /** Execution: folder under which each run gets one to work in. */
  readonly workDir: string;
  /** Work taken at the same time at most; 0 is no bound of its own. */
  readonly capacity: number;
  /** Listen beyond loopback without certificates. */
  readonly allowInsecure: boolean;
  readonly logLevel: string;
  /** Check every invariant after every command; slow. */
  readonly checkInvariants: boolean;
  /** Time to live of the leases that this daemon gives, in milliseconds. */
  readonly leaseTtlMs: number;
  /** Bytes that the journal's file may have; undefined: as much as the disk. */
  readonly journalBytesMax: number | undefined;
}

export type ParsedSettings =
  | { readonly ok: true; readonly settings: DaemonSettings }
  | { readonly ok: false; readonly problems: readonly string[] };

const DEFAULT_PORT: { readonly [T in Tier]: number } = { coordination: 7410, process: 7420, execution: 7430 };
const PARENT_OF: { readonly [T in Tier]: Tier | undefined } = {
  coordination: undefined,
  process: "coordination",
  execution: "process",
};
const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];
const PAGE_BYTES = 4096;

const OPTIONS = {
  listen: { type: "string" },
  advertise: { type: "string" },
  journal: { type: "string" },
  parent: { type: "string" },
  accounts: { type: "string" },
  prices: { type: "string" },
  "work-dir": { type: "string" },
  capacity: { type: "string" },
  "allow-insecure": { type: "boolean" },
  "log-level": { type: "string" },
  "check-invariants": { type: "boolean" },
  "journal-bytes-max": { type: "string" },
  "lease-ttl-ms": { type: "string" },
  help: { type: "boolean" },
} as const;

const ONLY_FOR: { readonly [option: string]: readonly Tier[] } = {
  parent: ["process", "execution"],
  accounts: ["coordination"],
  prices: ["execution"],
  "work-dir": ["execution"],
  capacity: ["process", "execution"],
  "lease-ttl-ms": ["coordination", "process"],
};

/** How to start a daemon of this tier. */
export function usageText(tier: Tier): string {
  const parent = PARENT_OF[tier];
  const lines = [
    `usage: ${tier} --journal FILE [options]`,
    `  --listen HOST:PORT       where to serve (127.0.0.1:${DEFAULT_PORT[tier]}; port 0 takes a free one)`,
    "  --advertise HOST:PORT    where the other daemons reach it (default: where it listens)",
    "  --journal FILE           the journal; made when it is not there (required)",
    ...(parent ? [`  --parent HOST:PORT       the ${parent} daemon (127.0.0.1:${DEFAULT_PORT[parent]})`] : []),
    ...(tier === "coordination" ? ["  --accounts FILE          the accounts (YAML)"] : []),
    ...(tier === "execution"
      ? [
          "  --prices FILE            the price table (YAML)",
          "  --work-dir DIR           folder for the runs' files (beside the journal)",
        ]
      : []),
    ...(parent ? ["  --capacity N             work taken at the same time (0: no bound)"] : []),
    ...(tier === "execution"
      ? []
      : [`  --lease-ttl-ms N         lease of what it grants, renewed in time (${LIMITS.leaseTtlMs})`]),
    "  --allow-insecure         listen beyond loopback, without certificates",
    `  --log-level LEVEL        ${LOG_LEVELS.join(", ")} (info)`,
    "  --journal-bytes-max N    refuse to let the journal grow beyond N bytes",
    "  --check-invariants       check the books after every command; slow",
  ];
  return `${lines.join("\n")}\n`;
}

function parse(argv: readonly string[]) {
  try {
    return { values: parseArgs({ args: [...argv], options: OPTIONS, strict: true, allowPositionals: false }).values };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

/** Parses the command line of a daemon. */
export function parseDaemonSettings(tier: Tier, argv: readonly string[]): ParsedSettings {
  const { values, problem } = parse(argv);
  if (!values) return { ok: false, problems: [problem] };
  const problems: string[] = [];
  for (const [option, tiers] of Object.entries(ONLY_FOR)) {
    if (option in values && !tiers.includes(tier))
      problems.push(`--${option} is for ${tiers.join(" and ")}, not ${tier}`);
  }
  if (!values.journal) problems.push("--journal is missing: say in which file the daemon shall keep its state");
  const address = (option: "listen" | "parent" | "advertise", port: number) => {
    const text = values[option] ?? `127.0.0.1:${port}`;
    if (!/^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$/.test(text))
      problems.push(`--${option} must be HOST:PORT, got ${JSON.stringify(text)}`);
    return text;
  };
  const whole = (option: "capacity" | "journal-bytes-max" | "lease-ttl-ms", min: number, max?: number) => {
    const text = values[option];
    if (text === undefined) return undefined;
    const range = max === undefined ? `${min} or more` : `${min} to ${max}`;
    if (!/^\d{1,15}$/.test(text) || Number(text) < min || Number(text) > (max ?? Number.POSITIVE_INFINITY))
      problems.push(`--${option} must be a whole number, ${range}, got ${JSON.stringify(text)}`);
    return Number(text);
  };
  const level = values["log-level"] ?? "info";
  if (!LOG_LEVELS.includes(level))
    problems.push(`--log-level must be one of ${LOG_LEVELS.join(", ")}, got ${JSON.stringify(level)}`);
  const parent = PARENT_OF[tier];
  const settings: DaemonSettings = Object.freeze({
    tier,
    listen: address("listen", DEFAULT_PORT[tier]),
    advertise: values.advertise === undefined ? undefined : address("advertise", 0),
    journal: values.journal ?? "",
    parent: parent ? address("parent", DEFAULT_PORT[parent]) : undefined,
    accounts: values.accounts,
    prices: values.prices,
    workDir: values["work-dir"] ?? `${values.journal ?? tier}.work`,
    capacity: whole("capacity", 0) ?? 0,
    allowInsecure: values["allow-insecure"] ?? false,
    logLevel: level,
    checkInvariants: values["check-invariants"] ?? false,
    leaseTtlMs: whole("lease-ttl-ms", LIMITS.leaseTtlMsMin, LIMITS.leaseTtlMsMax) ?? LIMITS.leaseTtlMs,
    journalBytesMax: whole("journal-bytes-max", 16 * PAGE_BYTES),
  });
  return problems.length > 0 ? { ok: false, problems } : { ok: true, settings };
}

/** The journal's bound in SQLite pages. */
export function journalPagesMax({ journalBytesMax }: DaemonSettings): number | undefined {
  return journalBytesMax === undefined ? undefined : Math.floor(journalBytesMax / PAGE_BYTES);
}
