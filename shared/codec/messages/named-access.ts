/** Names of tools and resources that are wanted or held, and the message that tells them. */
import type { Access, AccessLacking, AccessMode } from "#budget";
import type { AccessConflict } from "#gen/bursar/v1/allocation_pb.js";
import type { NamedAccess as NamedAccessMessage } from "#gen/bursar/v1/resources_pb.js";
import { LIMITS } from "#std";
import type { FieldCheck } from "../parse/field-check.ts";

export function accessMessage(access: readonly Access[]): NamedAccessMessage {
  const named = (mode: AccessMode) => access.filter((one) => one.mode === mode).map(({ name }) => name);
  return { $typeName: "bursar.v1.NamedAccess", exclusive: named("EXCLUSIVE"), shared: named("SHARED") };
}

/** To be spread into a message. */
export function accessToProto(access: readonly Access[] | undefined): { readonly access?: NamedAccessMessage } {
  return access && access.length > 0 ? { access: accessMessage(access) } : {};
}

/** What is asked for, checked. To be spread into what has names, if it has any. */
export function accessFromProto(
  check: FieldCheck,
  message: NamedAccessMessage | undefined,
): { readonly access?: readonly Access[] } {
  const access = namesOf(message);
  if (!message || access.length === 0) return {};
  if (access.length > LIMITS.accessNamesMax) {
    check.refuse("", `names ${access.length} tools and resources; at most ${LIMITS.accessNamesMax} are held by one`);
    return {};
  }
  const seen = new Set<string>();
  for (const [field, names] of [["exclusive", message.exclusive] as const, ["shared", message.shared] as const]) {
    for (const [index, name] of names.entries()) {
      check.at(field, index).text("", name, LIMITS.accessNameCharsMax);
      if (name === "") check.at(field, index).refuse("", "is empty; name a tool or a resource");
      else if (seen.has(name)) check.at(field, index).refuse("", `names ${name} a second time; name each once`);
      seen.add(name);
    }
  }
  return { access };
}

/** What a daemon says is held; its own check has been made there. */
export function accessTold(
  check: FieldCheck,
  message: NamedAccessMessage | undefined,
): { readonly access?: readonly Access[] } {
  const access = namesOf(message);
  // Those held above it come with its own: one list for each level of the tree at most.
  const max = LIMITS.accessNamesMax * LIMITS.treeDepthMax;
  if (access.length > max) check.refuse("access", `has ${access.length} names; at most ${max}`);
  return access.length === 0 ? {} : { access };
}

function namesOf(message: NamedAccessMessage | undefined): Access[] {
  if (!message) return [];
  return [
    ...message.exclusive.map((name) => ({ name, mode: "EXCLUSIVE" as const })),
    ...message.shared.map((name) => ({ name, mode: "SHARED" as const })),
  ];
}

export function accessConflictToProto({ name, mode, held, before, circle }: AccessLacking): AccessConflict {
  return {
    $typeName: "bursar.v1.AccessConflict",
    name,
    exclusive: mode === "EXCLUSIVE",
    heldExclusive: held === "EXCLUSIVE",
    before: before ?? "",
    circle: circle ?? "",
  };
}

export function accessConflictFromProto(message: AccessConflict): AccessLacking {
  const { name, exclusive, heldExclusive, before, circle } = message;
  return {
    name,
    mode: exclusive ? "EXCLUSIVE" : "SHARED",
    ...(before === "" ? { held: heldExclusive ? "EXCLUSIVE" : "SHARED" } : { before }),
    ...(circle === "" ? {} : { circle }),
  };
}
