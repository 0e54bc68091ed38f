/**
 * One mesh per state folder. The lock is SQLite's own on a file of no content: the operating system takes it away from a process that
 * dies, however it dies, so no lock is ever left behind.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { badFile } from "../documents.ts";

export interface MeshLock {
  release(): void;
}

const SQLITE_BUSY = 5;

/** Takes the lock; undefined when another process has it. Throws CommandError when the folder cannot be written. */
export function lockState(stateFolder: string): MeshLock | undefined {
  const file = join(stateFolder, "mesh.lock");
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file);
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch (cause) {
    database?.close();
    if (cause instanceof Error && "errcode" in cause && cause.errcode === SQLITE_BUSY) return undefined;
    throw badFile("lock", file, cause);
  }
  const held = database;
  return { release: () => held.close() };
}
