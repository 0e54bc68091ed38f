/** Files the person names: read within their bounds, or told what is wrong with them, all at once. */
import { open } from "node:fs/promises";
import { type DocumentInput, type DocumentProblem, type DocumentResult, formatProblems } from "#codec";
import { LIMITS } from "#std";
import { CommandError } from "./command-error.ts";
import { EXIT } from "./exit-code.ts";

/** The value of a document. Throws CommandError with every problem and its place when it cannot be used. */
export async function readDocumentFile<T>(file: string, read: (input: DocumentInput) => DocumentResult<T>): Promise<T> {
  const result = read({ file, text: await readStart(file) });
  if (result.ok) return result.value;
  throw badDocument(file, result.problems);
}

/** The failure of a document that has problems. */
export function badDocument(file: string, problems: readonly DocumentProblem[]): CommandError {
  const many = problems.length === 1 ? "a problem" : `${problems.length} problems`;
  return new CommandError(`${file} has ${many}; nothing was started:\n${formatProblems(problems)}`, {
    exitCode: EXIT.usage,
  });
}

/** The failure of a file that cannot be opened, read or written. */
export function badFile(doing: string, file: string, cause: unknown): CommandError {
  const why = isSystemError(cause) ? (REASONS[cause.code] ?? cause.message) : String(cause);
  return new CommandError(`cannot ${doing} ${file}: ${why}`, { exitCode: EXIT.usage, cause });
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or folder",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  EISDIR: "it is a folder",
  EEXIST: "there is a file of that name",
  ENOTDIR: "a part of the path is not a folder",
  ENOSPC: "the disk is full",
};

/** An error of the operating system, which has a code. */
export function isSystemError(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && "code" in error && typeof error.code === "string";
}

/** At most one byte more than a document may have: enough for its reader to refuse it. */
async function readStart(file: string): Promise<Uint8Array> {
  try {
    await using handle = await open(file);
    const buffer = Buffer.alloc(LIMITS.documentBytesMax + 1);
    let length = 0;
    while (length < buffer.length) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return buffer.subarray(0, length);
  } catch (cause) {
    throw badFile("read", file, cause);
  }
}
