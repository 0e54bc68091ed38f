/**
 * `npm run breaking [-- REF]`: compares the contract in the working tree with that of a git revision (default `main`), and fails on
 * any change that stubs generated from the older one would not survive, unless it is recorded in known-breaks.ts.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sortFindings } from "./known-breaks.ts";
import { root } from "./stage.ts";

const ARCHIVE_BYTES_MAX = 64 * 1024 * 1024;
/** Exit code of buf when it has found something. */
const FOUND = 100;

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

/** Compares with the contract in `folder`. */
function hasOnlyKnownBreaks(folder: string): boolean {
  const buf = join(root, "node_modules", ".bin", "buf");
  const args = ["breaking", "--against", folder, "--error-format", "json"];
  const { status, stdout, error } = spawnSync(buf, args, {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (error !== undefined) console.error(`buf could not be run: ${error.message}`);
  if (status !== 0 && status !== FOUND) return false;
  const { known, unknown } = sortFindings(stdout);
  for (const { path, message, instead } of known) console.log(`known: ${path}: ${message} Instead: ${instead}`);
  for (const { path, message } of unknown) console.error(`${path}: ${message}`);
  return unknown.length === 0 && (status === 0 || known.length > 0);
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
    return hasOnlyKnownBreaks(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exitCode = compareWith(process.argv[2] ?? "main") ? 0 : 1;
