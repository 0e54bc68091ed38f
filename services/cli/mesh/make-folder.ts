/** Makes a folder and those above it. Node's own `recursive` never comes back where a file system takes no folders, as below /proc. */
import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { badFile, isSystemError } from "../documents.ts";

/** Throws CommandError when it cannot be made. A folder that is there is fine. */
export function makeFolder(folder: string): void {
  try {
    make(folder);
  } catch (cause) {
    throw badFile("make the folder", folder, cause);
  }
}

function make(folder: string): void {
  const above = dirname(folder);
  try {
    mkdirSync(folder);
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    if (cause.code === "EEXIST" && statSync(folder).isDirectory()) return;
    if (cause.code !== "ENOENT" || above === folder) throw cause;
    make(above);
    mkdirSync(folder);
  }
}
