/**
 * The bare thing beside the journal: one small row committed and synced by SQLite, with nothing of ours around it.
 * Benches divide by it, so that a row says what we add to the disk and not how fast the disk is.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { systemClock } from "#tier";

const COMMITS_AT_A_TIME = 50;

export interface BareCommitOptions {
  /** Commits that are measured. Default 2,000. */
  readonly commits?: number;
  /** Commits before the measurement begins. Default 200. */
  readonly warmUpCommits?: number;
  /** Bytes in each row. Default 100. */
  readonly rowBytes?: number;
  /** The folder in which a temporary one is made; choose the disk that the journals of the bench are on. Default: the system's. */
  readonly folder?: string;
}

export interface BareCommitResult {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Commits per second, one after another. */
  readonly perSecond: number;
}

/**
 * Measures the bare commit: WAL, synchronous=FULL, one insert as its own transaction. Takes about 0.3 s. The event loop has its turn now
 * and then, because open connections that nobody answers for long are given up.
 */
export async function bareCommitP50P99(options: BareCommitOptions = {}): Promise<BareCommitResult> {
  const { commits = 2_000, warmUpCommits = 200, rowBytes = 100, folder = tmpdir() } = options;
  const temporary = mkdtempSync(join(folder, "bare-commit-"));
  const database = new DatabaseSync(join(temporary, "bare.db"));
  try {
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    database.exec("CREATE TABLE rows (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)");
    const insert = database.prepare("INSERT INTO rows (body) VALUES (?)");
    const body = new Uint8Array(rowBytes).fill(7);
    for (let n = 0; n < warmUpCommits; n++) insert.run(body);
    const timesMs = new Float64Array(commits);
    let spentMs = 0;
    for (let n = 0; n < commits; n++) {
      if (n % COMMITS_AT_A_TIME === 0) await new Promise<void>((resolve) => systemClock.soon(resolve));
      const beforeMs = performance.now();
      insert.run(body);
      const tookMs = performance.now() - beforeMs;
      timesMs[n] = tookMs;
      spentMs += tookMs;
    }
    const perSecond = (1_000 * commits) / spentMs;
    timesMs.sort();
    return { p50Ms: quantile(timesMs, 0.5), p99Ms: quantile(timesMs, 0.99), perSecond };
  } finally {
    database.close();
    rmSync(temporary, { recursive: true });
  }
}

/** The value below which `share` of the ascending `sorted` lie (nearest rank). */
function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
