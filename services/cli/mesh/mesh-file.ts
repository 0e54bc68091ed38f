/**
 * The file `mesh.json` in the state folder: where the mesh of that folder serves while it is up. Written by whoever supervises it,
 * read by every other command to find it.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isSystemError } from "../documents.ts";

export const TIERS = ["coordination", "process", "execution"] as const;
export type TierName = (typeof TIERS)[number];

export interface MeshFile {
  /** `host:port` of each daemon. */
  readonly addresses: Readonly<Record<TierName, string>>;
  /** Process ids of the daemons, and of whoever supervises them. */
  readonly pids: Readonly<Record<TierName | "supervisor", number>>;
}

const NAME = "mesh.json";

/** Writes the file; whoever reads sees the old one or the new one whole. */
export function writeMeshFile(stateFolder: string, mesh: MeshFile): void {
  const file = join(stateFolder, NAME);
  writeFileSync(`${file}.part`, `${JSON.stringify(mesh, null, 2)}\n`);
  renameSync(`${file}.part`, file);
}

export function removeMeshFile(stateFolder: string): void {
  rmSync(join(stateFolder, NAME), { force: true });
}

/** The mesh of the state folder; undefined when the file is not there or not to be understood. */
export function readMeshFile(stateFolder: string): MeshFile | undefined {
  let text: string;
  try {
    text = readFileSync(join(stateFolder, NAME), "utf8");
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
  return parse(text);
}

function parse(text: string): MeshFile | undefined {
  try {
    const mesh: unknown = JSON.parse(text);
    return isMeshFile(mesh) ? mesh : undefined;
  } catch {
    // Half a file or another program's: as good as none.
    return undefined;
  }
}

function isMeshFile(mesh: unknown): mesh is MeshFile {
  if (typeof mesh !== "object" || mesh === null || !("addresses" in mesh) || !("pids" in mesh)) return false;
  const { addresses, pids } = mesh as { readonly addresses: unknown; readonly pids: unknown };
  if (typeof addresses !== "object" || addresses === null || typeof pids !== "object" || pids === null) return false;
  const [hosts, ids] = [addresses as Record<string, unknown>, pids as Record<string, unknown>];
  return TIERS.every((tier) => typeof hosts[tier] === "string" && typeof ids[tier] === "number");
}
