/** Names of tools and resources, drawn by chance: what runs, steps and branches want to hold, and which tools are called. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { NamedAccessSchema } from "../../../shared/gen/bursar/v1/resources_pb.js";
import type { Chance } from "../world/chance.ts";

type Access = MessageInitShape<typeof NamedAccessSchema>;

/** Few, so that they are wanted by many. */
const NAMES = ["browser", "db", "lab"];

/** To be spread into what may have names; most have none. */
export function drawAccess(chance: Chance, percent: number): { readonly access?: Access } {
  if (!chance.percent(percent)) return {};
  const exclusive: string[] = [];
  const shared: string[] = [];
  for (const name of NAMES) if (chance.percent(50)) (chance.percent(60) ? exclusive : shared).push(name);
  return exclusive.length + shared.length === 0 ? {} : { access: { exclusive, shared } };
}

/** A tool, which may be one that somebody holds alone. */
export function drawTool(chance: Chance): string {
  return chance.pick(NAMES);
}
