/** Pieces of a tree, as a mesh would show them. */
import { create } from "@bufbuild/protobuf";
import {
  AllocationKind,
  AllocationState,
  type AllocationView,
  AllocationViewSchema,
} from "#gen/bursar/v1/allocation_pb.js";

export interface ViewParts {
  readonly path: string;
  readonly kind?: AllocationKind;
  readonly state?: AllocationState;
  readonly limit?: number;
  readonly spent?: number;
  readonly reserved?: number;
  readonly children?: readonly AllocationView[];
  /** Fields in place of those that follow from the rest. */
  readonly more?: Partial<AllocationView>;
}

/** A node whose books balance: what is neither spent nor reserved is available. Its id is its path with "id:" in front. */
export function view({ path, limit = 100, spent = 0, reserved = 0, ...parts }: ViewParts): AllocationView {
  const { kind = AllocationKind.STEP, state = AllocationState.OPEN, children = [], more = {} } = parts;
  const node = create(AllocationViewSchema, {
    allocationId: `id:${path}`,
    parentId: path.includes("/") ? `id:${path.slice(0, path.lastIndexOf("/"))}` : "",
    name: path.slice(path.lastIndexOf("/") + 1),
    path,
    kind,
    state,
    limits: { maxCredits: BigInt(limit) },
    credits: {
      limit: BigInt(limit),
      available: BigInt(limit - spent - reserved),
      reserved: BigInt(reserved),
      spent: BigInt(spent),
    },
    usage: { credits: BigInt(spent) },
    children: [...children],
  });
  return Object.assign(node, more);
}
