/**
 * `npm run breaking [-- REF]`: compares the contract in the working tree with that of a git revision (default `main`), and fails on
 * any change that stubs generated from the older one would not survive.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root, runTool } from "./stage.ts";

const ARCHIVE_BYTES_MAX = 64 * 1024 * 1024;

/** The contract of a revision as a tar archive, or undefined when git has none; git says why. */
function contractOf(revision: string): Buffer | undefined {
  const args = ["archive", "--format=tar", revision, "buf.yaml", "proto"];
  const { status, stdout } = spawnSync("git", args, {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: ARCHIVE_BYTES_MAX,
  });
  if (status === 0) return stdout;
  console.error(`no contract at ${revision}: name a revision of this repository that has buf.yaml and proto/`);
  return undefined;
}

function compareWith(revision: string): boolean {
  const folder = mkdtempSync(join(tmpdir(), "bursar-contract-"));
  try {
    const archive = contractOf(revision);
    if (archive === undefined) return false;
    execFileSync("tar", ["-x", "-C", folder], { input: archive });
    // The error details come from an npm package, which a revision does not hold: the installed one serves both sides.
    const vendored = join("node_modules", "google-proto-files");
    mkdirSync(join(folder, "node_modules"));
    cpSync(join(root, vendored, "google", "rpc"), join(folder, vendored, "google", "rpc"), { recursive: true });
    return runTool("buf", ["breaking", "--against", folder]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exitCode = compareWith(process.argv[2] ?? "main") ? 0 : 1;
