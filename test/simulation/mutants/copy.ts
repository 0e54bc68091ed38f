/** Copies of the working tree, in which one file at a time is changed. */
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** Every file of the working tree that version control knows or would know. */
export function filesOf(root: string): string[] {
  const listed = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "-z"], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  return listed
    .split("\0")
    .filter((path) => path !== "" && statSync(join(root, path), { throwIfNoEntry: false })?.isFile());
}

export class WorkingCopy {
  readonly folder: string;

  constructor(root: string) {
    this.folder = mkdtempSync(join(tmpdir(), "bursar-mutant-"));
    for (const path of filesOf(root)) {
      const to = join(this.folder, path);
      mkdirSync(dirname(to), { recursive: true });
      copyFileSync(join(root, path), to);
    }
    symlinkSync(join(root, "node_modules"), join(this.folder, "node_modules"));
  }

  /** Changes a file, does `work`, and puts the file back. */
  async with<T>(path: string, change: (text: string) => string, work: () => Promise<T>): Promise<T> {
    const file = join(this.folder, path);
    const text = readFileSync(file, "utf8");
    writeFileSync(file, change(text));
    try {
      return await work();
    } finally {
      writeFileSync(file, text);
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
